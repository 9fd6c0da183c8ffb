"""Records in, looks out; and what ten thousand mailboxes cost Prometheus."""

from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest

from deploy.observation.fleet import judged, tell_fleet, tell_worst
from deploy.observation.fold import SOURCE, Fold, notable
from deploy.observation.health import Health, Limits
from deploy.promotion.picture import Picture
from schemas.codec import decode, encode
from schemas.fleet_metrics import FleetMetrics, LogMetrics, WorstMetrics
from schemas.state import (
    IndexEntry,
    Intent,
    IntentKind,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Owed,
    SourceRole,
    TargetMailbox,
    TargetRole,
)

NOW = 1_000_000_000
SERIES_MAX = 400


def entry(*, is_owed: bool) -> bytes:
    owed = Owed(since=1, attempts=1, retry_at=1, reason="throttled") if is_owed else None
    return encode(
        IndexEntry(
            item="a", item_id="a", folder_id="f", change_key="c", search_key="", fingerprint="", digest="",
            marks=None, owed=owed,
        )
    )  # fmt: skip


def parked() -> bytes:
    return encode(
        ItemRecord(
            item="b", state=ItemState.PARKED, generation=1, sequence=1, source_change_key="", folder_id="f",
            marks=None, target_id="", target_change_key="", nonce="", reason="ErrorCorruptData",
        )
    )  # fmt: skip


def source(sequence: int, certain: int = NOW - 1000, mailbox: str = "m") -> bytes:
    return encode(MailboxRecord(mailbox=mailbox, generation=1, next_sequence=sequence + 1, certain_up_to=certain))


def target(sequence: int, mailbox: str = "m") -> bytes:
    return encode(TargetMailbox(mailbox=mailbox, generation=1, applied_sequence=sequence, applied_at=1))


def test_what_needs_work_is_counted_by_its_newest_record_and_not_after_its_tombstone() -> None:
    fold = Fold({"standby": 0.0})
    fold.take(SOURCE, "m", source(5), NOW)
    fold.take("standby", "m", target(5), NOW)
    fold.take(SOURCE, "m/item/a", entry(is_owed=True), NOW)
    fold.take(SOURCE, "m/item/a", entry(is_owed=True), NOW)
    fold.take("standby", "m/item/b", parked(), NOW)
    (look,) = fold.looks("standby")
    assert look.counts == {"owed": 1, "parked": 1}
    fold.take(SOURCE, "m/item/a", entry(is_owed=False), NOW)
    fold.take("standby", "m/item/b", None, NOW)
    (look,) = fold.looks("standby")
    assert look.counts == {}


def test_what_is_just_being_written_is_not_asked_of_the_feed() -> None:
    """Else every busy mailbox would be incomplete, and left out of a promotion."""
    placing = Intent(
        kind=IntentKind.PLACE, generation=1, sequence=1, nonce="n", target_id="staged", change_key="", folder_id="f",
        replaced_id="", source_change_key="c",
    )  # fmt: skip
    wanted = replace(decode(parked()), state=ItemState.WANTED)
    picture = Picture()
    for intent, count in ((placing, 0), (None, 1)):
        record = replace(wanted, intent=intent)
        picture.take_target("m/item/b", record)
        assert (notable(record).get("wanted", 0), len(picture.of("m").wanted)) == (count, count)


def test_a_target_that_stands_still_stalls_from_the_first_change_it_leaves() -> None:
    fold = Fold({"standby": 0.0})
    fold.take(SOURCE, "m", source(5, NOW), NOW)
    fold.take("standby", "m", target(5), NOW)
    for later in (30_000, 60_000, 90_000):
        fold.take(SOURCE, "m", source(5 + later // 60_000, NOW + later), NOW + later)
    limits = Limits(stall_seconds=45.0, lag_objective_seconds=600.0)
    for seconds, health in ((100, Health.PROTECTED), (106, Health.STALLED)):
        ((_, finding),) = judged(fold, "standby", limits, NOW + seconds * 1000)
        assert finding.health is health
    fold.take("standby", "m", target(6), NOW + 107_000)
    ((_, finding),) = judged(fold, "standby", limits, NOW + 108_000)
    assert (finding.health, finding.not_applied) == (Health.PROTECTED, 0)


def test_lag_of_what_waits_counts_from_when_it_was_level() -> None:
    fold = Fold({"standby": 0.0})
    fold.take(SOURCE, "m", source(5, NOW), NOW)
    fold.take("standby", "m", target(5), NOW)
    fold.take(SOURCE, "m", source(6, NOW + 3000), NOW + 3000)
    ((_, finding),) = judged(fold, "standby", Limits(), NOW + 4000)
    assert finding.lag_seconds == 4.0


def test_a_promoted_mailbox_is_counted_and_in_no_figure_of_lag_at_any_target() -> None:
    fold = Fold({"standby": 0.0, "branch": 0.0})
    for name, role, opened in (("a", SourceRole.MIRRORING, False), ("b", SourceRole.FENCED, True)):
        one = MailboxRecord(mailbox=name, generation=1, next_sequence=6, certain_up_to=NOW, role=role)
        fold.take(SOURCE, name, encode(one), NOW)
        for at, applied in (("standby", 5), ("branch", 3 if opened else 5)):
            role_there = TargetRole.OPEN if opened and at == "standby" else TargetRole.MIRRORING
            there = TargetMailbox(mailbox=name, generation=1, applied_sequence=applied, role=role_there)
            fold.take(at, name, encode(there), NOW)
    fold.take("standby", "b/item/b", parked(), NOW)
    fold.take(SOURCE, "a", source(5, NOW + 86_390_000, "a"), NOW + 86_390_000)
    registry, now = CollectorRegistry(), NOW + 86_400_000
    found = {at: judged(fold, at, Limits(), now) for at in fold.targets}
    tell_fleet(FleetMetrics(registry), found, Limits(), now)
    for at in fold.targets:
        value = registry.get_sample_value
        for health, number in (("promoted", 1), ("protected", 1), ("not-captured", 0), ("stalled", 0), ("late", 0)):
            assert value("mailshadow_fleet_mailboxes", {"target": at, "health": health}) == number
        assert value("mailshadow_fleet_lag_worst_seconds", {"target": at}) == 10.0
        assert value("mailshadow_fleet_changes_not_applied", {"target": at}) == 0
        assert value("mailshadow_fleet_apply_worst_seconds", {"target": at}) == 0
        assert value("mailshadow_fleet_items", {"target": at, "kind": "parked"}) == 0
    assert registry.get_sample_value("mailshadow_fleet_capture_worst_seconds") == 10.0


def test_ten_thousand_mailboxes_have_series_for_the_worst_few_and_those_asked_for() -> None:
    fold = Fold({"standby": 0.0, "branch": 0.0})
    for number in range(10_000):
        name = f"{number:020x}"
        fold.take(SOURCE, name, source(5, NOW + 20_000 - number, name), NOW)
        for at in ("standby", "branch"):
            fold.take(at, name, target(5 if number else 3, name), NOW)
    registry = CollectorRegistry()
    fleet, worst, _ = FleetMetrics(registry), WorstMetrics(registry), LogMetrics(registry)
    limits = Limits()
    for _ in range(2):
        found = {at: judged(fold, at, limits, NOW + 46_000) for at in fold.targets}
        tell_fleet(fleet, found, limits, NOW + 46_000)
        tell_worst(worst, found, 20, frozenset({f"{17:020x}"}), NOW + 46_000)
    lines = [li for li in generate_latest(registry).decode().splitlines() if not li.startswith("#")]
    assert len(lines) <= SERIES_MAX
    assert sum("mailshadow_worst_mailbox_lag_seconds" in line for line in lines) == 2 * 21
    assert 'mailshadow_fleet_mailboxes{health="stalled",target="standby"} 1.0' in lines
    assert f'mailshadow_worst_mailbox_changes_not_applied{{mailbox="{0:020x}",target="branch"}} 2.0' in lines
