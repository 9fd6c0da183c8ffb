from schemas.topics import (
    CHANGES_RETENTION_MS,
    DAY_MS,
    DEAD_LETTERS_RETENTION_MS,
    Topics,
    TopicSettings,
    change_record_key,
    folder_key,
    item_record_key,
    mailbox_key,
)

TOPICS = Topics("standby", "mail2013")
PARTITION_COUNT = 7


def by_name(*targets: str) -> dict[str, TopicSettings]:
    return {t.name: t for t in TOPICS.catalogue(targets, PARTITION_COUNT)}


def test_the_catalogue_is_what_the_design_lists() -> None:
    assert list(by_name("one")) == [
        "standby.changes.mail2013",
        "standby.mailboxes.mail2013",
        "standby.source-state.mail2013",
        "standby.orders.mail2013",
        "standby.control",
        "standby.target-state.mail2013-one",
        "standby.dead-letters.mail2013-one",
        "standby.orders.one",
    ]


def test_every_topic_but_control_has_the_pipelines_partitions() -> None:
    counts = {name: t.partition_count for name, t in by_name("one").items()}
    assert counts.pop("standby.control") == 1
    assert set(counts.values()) == {PARTITION_COUNT}


def test_state_is_compacted_and_logs_are_kept_for_a_time_of_the_brokers_own_clock() -> None:
    for name, topic in by_name("one").items():
        kind = name.split(".")[1]
        if kind in {"changes", "orders", "dead-letters"}:
            assert topic.config["cleanup.policy"] == "delete"
            assert topic.config["message.timestamp.type"] == "LogAppendTime"
            wanted = DEAD_LETTERS_RETENTION_MS if kind == "dead-letters" else CHANGES_RETENTION_MS
            assert topic.config["retention.ms"] == str(wanted)
        else:
            assert topic.config["cleanup.policy"] == "compact"
            assert "retention.ms" not in topic.config


def test_changes_are_kept_for_14_days_and_evidence_longer() -> None:
    assert CHANGES_RETENTION_MS == 14 * DAY_MS
    assert DEAD_LETTERS_RETENTION_MS > CHANGES_RETENTION_MS


def test_names_of_two_pipelines_servers_or_targets_never_meet() -> None:
    all_names = [
        t.name
        for topics in (Topics("a", "s"), Topics("b", "s"), Topics("a", "t", is_back=True))
        for t in topics.catalogue(("one", "two"), 1)
        if t.name.split(".")[1] not in {"control", "orders"}
    ]
    assert len(all_names) == len(set(all_names))


def test_the_way_back_has_orders_of_its_own_and_shares_registry_and_office() -> None:
    there, back = Topics("a", "s"), Topics("a", "t", is_back=True)
    shared = {t.name for t in there.catalogue(("t",), 1)} & {t.name for t in back.catalogue(("s",), 1)}
    assert shared == {"a.control"}
    assert there.failover_id == back.failover_id


def test_groups_begin_with_the_pipeline_and_tell_sides_and_targets_apart() -> None:
    groups = [TOPICS.feed_group, TOPICS.replay_group("one"), TOPICS.replay_group("two")]
    assert groups == ["standby.feed.mail2013", "standby.replay.mail2013-one", "standby.replay.mail2013-two"]


def test_keys_begin_with_the_mailbox_and_tell_folders_from_items() -> None:
    assert mailbox_key("m") == "m"
    assert folder_key("m", "x") == "m/folder/x"
    assert item_record_key("m", "x") == "m/item/x"
    assert change_record_key("m", "x") == "m/x"
