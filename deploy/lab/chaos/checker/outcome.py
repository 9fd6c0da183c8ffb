"""How a run ends (invariants 1, 2, 7, 8, 9), judged for mailboxes at rest: equal, nothing parked without a cause."""

from collections import defaultdict
from collections.abc import Iterator

from deploy.lab.chaos.checker.case import Case, Pairing, anomaly, search_key_of, traces
from deploy.lab.chaos.checker.names import item_key, stamp_of
from deploy.lab.chaos.checker.shore import Life, Marks, Shore
from deploy.lab.chaos.evidence import Anomaly
from schemas.state import ItemRecord, ItemState

_Shown = tuple[str, Life]


def ends_equal(case: Case) -> Iterator[Anomaly]:
    """Yield everything that a target lacks, has too much, twice, elsewhere or in another state."""
    for pairing in case.at_rest:
        shown: defaultdict[str, list[_Shown]] = defaultdict(list)
        for item, lives in traces(pairing):
            source = case.source_lives(pairing, item)
            family = search_key_of(source[0]) if source else item
            shown[family] += [(item, life) for life in lives if life.is_visible]
        families = {key: [one for one in lives if one.is_visible] for key, lives in case.kin(pairing).items()}
        for family in sorted(families.keys() | shown.keys()):
            yield from _judge_family(case, pairing, families.get(family, []), shown[family])
        yield from _folders(pairing)


def _judge_family(case: Case, pairing: Pairing, source: list[Life], shown: list[_Shown]) -> Iterator[Anomaly]:
    """Pair the items of one SearchKey, equal ones first; what is left is in another state, missing or too much."""
    theirs, ours = _unequal(pairing, source, shown)
    for life, (item, other) in zip(theirs, ours, strict=False):
        if not _is_excused(case, pairing, item):
            yield from _judge_pair(pairing, life, item, other)
    for life in theirs[len(ours) :]:
        keys = [item_key(pairing.mailbox, ident) for ident in life.ids]
        if not any(_is_excused(case, pairing, key) for key in keys):
            item = next((k for k in keys if (pairing.mailbox, k) in pairing.ledger.items), keys[0])
            yield anomaly("lost", pairing, item, f"{life.last.write.subject!r} is not at the target")
    for item, other in ours[len(theirs) :]:
        if source:
            detail = f"{other.last.write.subject!r} is there {len(shown)} times, at the source {len(source)} times"
            yield anomaly("twice-at-end", pairing, item, detail)
        elif not _is_excused(case, pairing, item):
            yield anomaly("extra", pairing, item, f"{other.last.write.subject!r} is gone at the source")


def _unequal(pairing: Pairing, source: list[Life], shown: list[_Shown]) -> tuple[list[Life], list[_Shown]]:
    """Take away what is equal on both sides."""
    left, theirs = list(shown), []
    for life in source:
        state = _state(pairing.source, life)
        twin = next((s for s in left if _state(pairing.shore, s[1]) == state), None)
        if twin is None:
            theirs.append(life)
        else:
            left.remove(twin)
    return theirs, left


def _state(shore: Shore, life: Life) -> tuple[str, Marks, tuple[str, ...] | None]:
    return life.last.write.content, life.last.marks, shore.tree.path(life.last.write.folder_id)


def _judge_pair(pairing: Pairing, source: Life, item: str, shown: Life) -> Iterator[Anomaly]:
    theirs, ours = source.last.write, shown.last.write
    if theirs.content != ours.content:
        detail = f"content is {ours.subject!r}, at the source {theirs.subject!r}"
        yield anomaly("stale-content", pairing, item, detail)
    if source.last.marks != shown.last.marks:
        detail = f"marks are {shown.last.marks}, at the source {source.last.marks}"
        yield anomaly("stale-marks", pairing, item, detail)
    paths = (pairing.source.tree.path(theirs.folder_id), pairing.shore.tree.path(ours.folder_id))
    if paths[0] != paths[1]:
        yield anomaly("stale-folder", pairing, item, f"is in {paths[1]}, at the source in {paths[0]}")


def _folders(pairing: Pairing) -> Iterator[Anomaly]:
    source, target = pairing.source.tree.visible_paths(), pairing.shore.tree.visible_paths()
    for path in sorted(source - target):
        yield anomaly("folder-lost", pairing, "", f"folder {'/'.join(path)} is missing")
    strange = [life.last.write.folder_id for life in pairing.shore.lives if life.is_visible and not life.is_ours]
    kept = pairing.shore.tree.paths_above([*strange, *pairing.shore.tree.made_by_users()])
    for path in sorted(target - source - kept):
        yield anomaly("folder-extra", pairing, "", f"folder {'/'.join(path)} is gone at the source")


def ledger_tells_the_truth(case: Case) -> Iterator[Anomaly]:
    """Yield every item record that says of its target what is not so, and every visible item of ours it lacks."""
    for pairing in case.at_rest:
        held: set[str] = set()
        for mailbox, item in list(pairing.ledger.items):
            record = pairing.ledger.last(mailbox, item)
            if mailbox != pairing.mailbox or record is None or not record.target_id:
                continue
            held.add(record.target_id)
            life = pairing.shore.by_id.get(record.target_id)
            if life is None or not life.is_visible or life.last.write.id != record.target_id:
                yield anomaly("ledger-lies", pairing, item, "the record names an item that users don't see")
            elif (stamp := stamp_of(life.last.write.stamp)) is None or stamp.nonce != record.nonce.lower():
                yield anomaly("ledger-lies", pairing, item, f"the record's nonce {record.nonce} is not the item's")
        for item, lives in traces(pairing):
            for life in lives:
                if life.is_visible and life.last.write.id not in held and not _is_excused(case, pairing, item):
                    yield anomaly("unowned", pairing, item, f"{life.last.write.subject!r} stands in no record")


def parked_items_have_a_cause(case: Case) -> Iterator[Anomaly]:
    """Yield every item that ends parked or wanted, and every dead letter, that no injected fault explains."""
    for pairing in case.at_rest:
        for mailbox, item in list(pairing.ledger.items):
            record = pairing.ledger.last(mailbox, item)
            is_behind = record is not None and record.state is not ItemState.PRESENT
            if mailbox == pairing.mailbox and is_behind and not _is_excused(case, pairing, item):
                yield anomaly("parked-without-cause", pairing, item, _said(record))
        for letter in case.log.letters[pairing.target]:
            if letter.mailbox == pairing.mailbox and not _has_cause(case, pairing, letter.item, letter.reason):
                yield anomaly("parked-without-cause", pairing, letter.item, f"dead letter: {letter.reason}")


def _said(record: ItemRecord | None) -> str:
    return f"{record.state.value} {record.reason}" if record else ""


def _is_excused(case: Case, pairing: Pairing, item: str) -> bool:
    record = pairing.ledger.last(pairing.mailbox, item)
    if record is None or record.state is ItemState.PRESENT:
        return False
    return _has_cause(case, pairing, item, record.reason)


def _has_cause(case: Case, pairing: Pairing, item: str, reason: str) -> bool:
    """Whether a server was told to refuse an item for this reason, or a user copied this one with its stamp."""
    servers = {pairing.target, case.run.source}
    details = [line.detail for line in case.evidence.faults if line.phase == "begin" and line.detail.get("may_park")]
    rules = [rule for detail in details if detail.get("server") in servers for rule in detail.get("rules", ())]
    if any(rule.get("code") == reason for rule in rules):
        return True
    copied = {a.item_id for a in case.evidence.truth if a.action == "foreign_copy" and a.server == pairing.target}
    return any(copied.intersection(life.ids) for key, lives in traces(pairing) if key == item for life in lives)


def truth_is_in_the_history(case: Case) -> Iterator[Anomaly]:
    """Yield every acknowledged act that the source's own history does not know: the lab would be at fault."""
    known = {ident for shore in case.sources.values() for ident in shore.by_id}
    for act in case.evidence.truth:
        if act.phase == "acknowledged" and act.server == "source" and act.action in {"receive", "draft", "copy"}:
            ident = act.new_item_id or act.item_id
            if ident and ident not in known:
                yield Anomaly(rule="act-lost", mailbox=act.mailbox, item="", detail=f"act {act.n} left no write")


def run_recovers(case: Case) -> Iterator[Anomaly]:
    """Yield a run that never came to rest, or too slowly, and services that ended with a traceback."""
    run = case.run
    if run.level_ms is None:
        yield Anomaly(rule="not-level", mailbox="", item="", detail="never level after all faults were healed")
    elif run.level_ms - run.healed_ms > run.recovery_seconds_max * 1000:
        seconds = (run.level_ms - run.healed_ms) / 1000
        detail = f"level {seconds:.1f} s after the heal, {run.recovery_seconds_max:.0f} s are allowed"
        yield Anomaly(rule="slow-recovery", mailbox="", item="", detail=detail)
    for line in case.evidence.faults:
        if line.kind == "service_end" and line.detail.get("by") == "itself":
            words = str(line.detail.get("last_words", ""))
            if "Traceback" in words:
                detail = f"{line.subject} ended by itself: {words.strip().splitlines()[-1][:300]}"
                yield Anomaly(rule="service-crashed", mailbox="", item="", detail=detail)
