"""The least each principal needs, as commands and as data."""

from deploy.kafka_access import (
    Principals,
    Resource,
    as_commands,
    as_json_rows,
    rights_of,
    rights_of_rehearsals,
    rights_of_way_back,
)
from deploy.rehearsal.rules import rehearsal_name
from schemas.topics import Topics

TOPICS = Topics("p", "mail")
WHO = Principals(feed="User:feed", replays={"a": "User:a", "b": "User:b"}, operator="User:operator")
RIGHTS = rights_of(TOPICS, WHO)


def operations(who: str, name: str) -> set[str]:
    return {o for r in RIGHTS if r.principal == who and r.name == name for o in r.operations}


def test_only_the_feed_writes_the_log_and_only_its_replay_a_ledger() -> None:
    writers = {r.name: {w.principal for w in RIGHTS if w.name == r.name and "WRITE" in w.operations} for r in RIGHTS}
    assert writers[TOPICS.changes] == {"User:feed"}
    assert writers[TOPICS.target_state("a")] == {"User:a"}
    assert writers[TOPICS.control] == {"User:operator"}
    assert writers[TOPICS.orders("mail")] == {"User:a", "User:b", "User:operator"}


def test_a_replay_does_nothing_with_another_target_but_see_that_it_is_there() -> None:
    assert operations("User:a", TOPICS.target_state("b")) == {"DESCRIBE"}
    assert operations("User:a", TOPICS.replay_group("b")) == set()


def test_nobody_may_alter_and_only_operators_make_and_delete() -> None:
    assert {o for r in RIGHTS for o in r.operations} == {
        "READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS", "CREATE", "DELETE"
    }  # fmt: skip
    assert {r.principal for r in RIGHTS if {"CREATE", "DELETE"} & set(r.operations)} == {"User:operator"}


def test_operators_may_drive_promotions_and_waves_and_no_service_may() -> None:
    for name in (TOPICS.failover_id, TOPICS.migration_id):
        assert {r.principal for r in RIGHTS if r.name == name and r.operations == ("WRITE",)} == {"User:operator"}


def test_one_principal_for_everything_gets_each_right_once() -> None:
    one = rights_of(TOPICS, Principals(feed="User:x", replays={"a": "User:x"}, operator="User:x"))
    assert len({(r.resource, r.name, r.is_prefix) for r in one}) == len(one)
    assert all("DESCRIBE" not in r.operations or not {"READ", "WRITE"} & set(r.operations) for r in one)


def test_commands_are_those_of_kafkas_own_tool() -> None:
    commands = as_commands(RIGHTS, "k:9093")
    start = (
        "kafka-acls.sh --bootstrap-server k:9093 --command-config admin.properties --add --allow-principal User:feed"
    )
    assert f"{start} --operation Read --operation Write --topic p.changes.mail" in commands
    assert f"{start} --operation Write --transactional-id p.feed.mail. --resource-pattern-type prefixed" in commands
    assert any("--operation DescribeConfigs --cluster" in c for c in commands)


def test_data_say_the_same_as_commands() -> None:
    rows = as_json_rows(RIGHTS)
    assert len(rows) == len(RIGHTS)
    assert {str(r["resource"]) for r in rows} == {str(r) for r in Resource}


def test_the_way_back_has_rights_of_its_own_and_each_direction_reads_what_the_other_left() -> None:
    there, back = Topics("p", "s"), Topics("p", "t", is_back=True)
    who = Principals(feed="User:feed", replays={"s": "User:replay-s"}, operator="User:op")
    found = {(r.principal, r.name): r.operations for r in rights_of_way_back(there, back, who, "User:replay-t")}
    for name in ("p.mailboxes.s", "p.source-state.s", "p.target-state.s-t"):
        assert found["User:feed", name] == found["User:replay-s", name] == ("READ",)
        assert ("User:replay-t", name) not in found
    assert found["User:replay-t", "p.source-state.t"] == ("READ",)
    assert found["User:feed", "p.source-state.t"] == ("READ", "WRITE")
    assert found["User:replay-s", "p.target-state.t-s"] == ("READ", "WRITE")
    assert ("User:replay-s", "p.orders.s") not in found


def test_rehearsals_give_an_operator_nothing_of_the_pipeline_itself() -> None:
    prefix = rehearsal_name(TOPICS.pipeline, "")
    found = rights_of_rehearsals(prefix, "User:operator")
    assert {(r.resource, r.name, r.is_prefix) for r in found} == {
        (kind, prefix, True) for kind in (Resource.TOPIC, Resource.GROUP, Resource.TRANSACTIONAL_ID)
    }
    assert not [t.name for t in TOPICS.catalogue(("a", "b"), 1) if t.name.startswith(prefix)]
