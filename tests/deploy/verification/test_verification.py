"""How long a difference is looked at, what is ordered, and what a mailbox that can't be read does to the others."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from consumers.target import HeldFolder
from consumers.verifier import Kind
from deploy.verification.knowledge import MailboxKnowledge
from deploy.verification.looking import Addresses, Looking, TargetReading
from deploy.verification.result import MailboxResult
from deploy.verification.verification import Pipeline, Verification
from producers.source import FolderSeen, HierarchyPage
from schemas.canonical_row import canonical_row
from schemas.change import Marks
from schemas.identity import Stamp
from schemas.listing import ListedItem, ListingPage
from schemas.ports import CallRefused
from schemas.state import IndexEntry, ItemRecord, ItemState, MailboxRecord, SourceFolder, TargetFolder, TargetMailbox

KEYS = ("a" * 32, "b" * 32)
UNREAD = Marks(is_read=False)
STAMP_NAME = "12345678"
ADDRESSES = Addresses(source="anna@s.test", target="anna@t.test")


def shown(item: str, subject: str, *, at_target: bool) -> ListedItem:
    row = canonical_row(
        item_class="IPM.Note", message_id="", subject=subject, sent="", received="", is_draft=False, marks=UNREAD,
        sensitivity="Normal", with_flag=True,
    )  # fmt: skip
    stamp = str(Stamp(STAMP_NAME, item, "9")) if at_target else ""
    return ListedItem(f"{'t' if at_target else 's'}-{item}", "", stamp, 1, row)


@dataclass(slots=True)
class Scene:
    """A mailbox at two servers as subject by item key, a clock that goes by sleeping, and what then happens."""

    source: dict[str, str] = field(default_factory=lambda: dict.fromkeys(KEYS, "letter"))
    target: dict[str, str] = field(default_factory=lambda: dict.fromkeys(KEYS, "letter"))
    source_folders: list[str] = field(default_factory=lambda: ["f"])
    name_at_source: str = "f"
    place_at_target: tuple[str, str] = ("f", "msgfolderroot")
    known: MailboxKnowledge = field(default_factory=lambda: knowledge(5))
    wanted: list[str] = field(default_factory=list)
    now: float = 0.0
    listed: int = 0
    page_items: int = 1000
    on_sleep: Callable[[], None] = lambda: None

    def folders_of_source(self, address: str, cursor: str) -> HierarchyPage:
        assert address == "anna@s.test"
        seen = tuple(FolderSeen(f, "", self.name_at_source if f == "f" else f, "", "") for f in self.source_folders)
        start = int(cursor or "0")
        return HierarchyPage(seen[start : start + 1], (), str(start + 1), start + 1 >= len(seen))

    def list_source(self, address: str, folder_id: str, offset: int) -> ListingPage:
        assert address == "anna@s.test"
        if folder_id != "f":
            return ListingPage((), None, has_flags=True)
        self.listed += 1
        return self._page(self.source, offset, at_target=False)

    def list_target(self, address: str, folder_id: str, offset: int) -> ListingPage:
        assert address == "anna@t.test"
        if folder_id != "tf":
            raise CallRefused("ErrorFolderNotFound", "gone")
        return self._page(self.target, offset, at_target=True)

    def _page(self, items: dict[str, str], offset: int, *, at_target: bool) -> ListingPage:
        all_shown = [shown(i, s, at_target=at_target) for i, s in items.items()]
        end = offset + self.page_items
        return ListingPage(tuple(all_shown[offset:end]), end if end < len(all_shown) else None, has_flags=True)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()

    def want(self, mailbox: str, items: tuple[str, ...]) -> None:
        assert mailbox == "m"
        self.wanted += items

    def reading(self) -> TargetReading:
        return TargetReading(listing=self.list_target, folder=self.folder_at_target, root=lambda _address, name: name)

    def folder_at_target(self, address: str, folder_id: str) -> HeldFolder | None:
        assert address == "anna@t.test"
        name, parent_id = self.place_at_target
        return HeldFolder(folder_id, parent_id, name, 0, 0) if folder_id == "tf" else None

    def verify(self, *, is_repairing: bool = False) -> MailboxResult:
        looking = Looking(self.folders_of_source, self.list_source, self.reading(), STAMP_NAME, None)
        pipeline = Pipeline(know=lambda _: self.known, want=self.want)
        verification = Verification("t", looking, pipeline, 30.0, self.sleep, lambda: self.now)
        return verification.verify("m", ADDRESSES, self.known, is_repairing=is_repairing)


def knowledge(sequence: int = 5) -> MailboxKnowledge:
    known = MailboxKnowledge(
        MailboxRecord(mailbox="m", generation=1, next_sequence=6),
        TargetMailbox(mailbox="m", generation=1, applied_sequence=sequence),
    )
    known.put(SourceFolder(folder_id="f", parent_id="", name="f", folder_class="", distinguished=""))
    known.put(
        TargetFolder(
            folder_id="f",
            target_id="tf",
            parent_id="",
            name="F",
            folder_class="",
            distinguished="",
            created=True,
            generation=1,
            sequence=1,
        )
    )
    for item in KEYS:
        known.put(
            IndexEntry(
                item=item,
                item_id=f"s-{item}",
                folder_id="f",
                change_key="c",
                search_key="",
                fingerprint="",
                digest="",
                marks=UNREAD,
            )
        )
        known.put(
            ItemRecord(
                item=item,
                state=ItemState.PRESENT,
                generation=1,
                sequence=1,
                source_change_key="c",
                folder_id="f",
                marks=UNREAD,
                target_id=f"t-{item}",
                target_change_key="",
                nonce="9",
            )
        )
    return known


def test_equal_sides_need_one_look_and_no_waiting() -> None:
    scene = Scene()
    assert scene.verify().is_equal
    assert (scene.now, scene.listed) == (0.0, 1)


def test_a_folder_is_listed_page_by_page() -> None:
    scene = Scene(page_items=1)
    found = scene.verify()
    assert found.is_equal
    assert (found.items_source, found.items_target, scene.listed) == (2, 2, 2)


def test_a_difference_that_stays_is_told_after_a_second_look() -> None:
    scene = Scene()
    scene.target[KEYS[0]] = "rot"
    found = scene.verify()
    assert found.by_kind == {"differing": 1}
    assert (found.folders, found.folders_equal) == (1, 0)
    assert scene.listed == 2


def test_a_difference_on_its_way_is_waited_for() -> None:
    scene = Scene(known=knowledge(sequence=4))
    del scene.target[KEYS[0]]

    def arrive() -> None:
        if scene.now >= 6.0:
            scene.target[KEYS[0]] = "letter"
            scene.known = knowledge()

    scene.on_sleep = arrive
    assert scene.verify().is_equal


def test_what_does_not_arrive_in_time_is_told_as_it_stands() -> None:
    scene = Scene(known=knowledge(sequence=4))
    scene.known.ledger[KEYS[0]] = replace(scene.known.ledger[KEYS[0]], source_change_key="older")
    scene.target[KEYS[0]] = "old"
    found = scene.verify()
    assert (found.behind, found.divergences) == ({"not yet applied": 1}, ())
    assert not found.is_equal
    assert scene.now <= 32.0


def test_nothing_is_ordered_unless_repair_was_asked_for() -> None:
    scene = Scene()
    del scene.target[KEYS[0]]
    scene.verify()
    assert scene.wanted == []


def test_a_repair_is_ordered_once_and_looked_at_until_it_is_done() -> None:
    scene = Scene()
    del scene.target[KEYS[1]]

    def mend() -> None:
        if scene.wanted:
            scene.target[KEYS[1]] = "letter"

    scene.on_sleep = mend
    found = scene.verify(is_repairing=True)
    assert scene.wanted == [KEYS[1]]
    assert (found.repairs_ordered, found.repaired) == (1, {"missing": 1})
    assert (found.items_source, found.items_target) == (2, 2)
    assert found.is_equal


def test_a_copy_is_never_ordered_away() -> None:
    scene = Scene()
    scene.target["c" * 32] = "copy of something"
    found = scene.verify(is_repairing=True)
    assert scene.wanted == []
    assert found.by_kind == {"extra": 1}


def test_a_folder_the_target_lacks_is_told_beside_its_items() -> None:
    scene = Scene()
    scene.known.target_folders["f"] = replace(scene.known.target_folders["f"], target_id="dead")
    assert scene.verify().by_kind == {"missing": 2, "folder missing": 1}


def test_a_folder_of_the_source_that_the_feed_never_saw_is_known_to_be_behind_until_it_is_captured() -> None:
    scene = Scene(source_folders=["f", "new"])
    assert scene.verify().behind == {"not yet captured": 1}
    scene = Scene(source_folders=["f", "new"])

    def capture() -> None:
        scene.known = knowledge()
        scene.known.put(SourceFolder(folder_id="new", parent_id="", name="N", folder_class="", distinguished=""))

    scene.on_sleep = capture
    found = scene.verify()
    assert (found.behind, found.by_kind, found.folders) == ({}, {"folder missing": 1}, 2)


def test_items_in_a_folder_that_only_the_ledger_still_maps_are_extra() -> None:
    scene = Scene(source_folders=[])
    del scene.known.folders["f"]
    scene.known.index.clear()
    assert scene.verify().by_kind == {"extra": 2}


@pytest.mark.parametrize("code", ["ErrorAccessDenied", "ErrorNonExistentMailbox"])
def test_a_mailbox_that_cannot_be_read_is_told_with_the_code(code: str) -> None:
    scene = Scene()

    def refuse(_address: str, _folder_id: str, _offset: int) -> ListingPage:
        raise CallRefused(code, "refused")

    looking = Looking(
        scene.folders_of_source, scene.list_source, replace(scene.reading(), listing=refuse), STAMP_NAME, None
    )
    verification = Verification("t", looking, Pipeline(know=lambda _: scene.known, want=scene.want), 30.0)
    found = verification.verify("m", ADDRESSES, scene.known, is_repairing=False)
    assert found.failure == code
    assert not found.is_equal


@pytest.mark.parametrize("state", [ItemState.PARKED, ItemState.WANTED])
def test_what_the_ledger_knows_to_be_behind_is_not_equal_though_the_listings_look_alike(state: ItemState) -> None:
    """An edited body was refused and parked: subject, dates and marks are those of before."""
    scene = Scene()
    record = scene.known.ledger[KEYS[0]]
    scene.known.ledger[KEYS[0]] = replace(record, state=state, reason="ErrorMessageSizeExceeded")
    found = scene.verify()
    assert (found.is_equal, found.behind, found.folders_equal) == (False, {state.value.lower(): 1}, 0)


def test_an_edit_that_is_captured_and_not_applied_is_not_equal_until_it_is() -> None:
    scene = Scene()
    scene.known.source = replace(scene.known.source, next_sequence=7)
    scene.known.index[KEYS[0]] = replace(scene.known.index[KEYS[0]], change_key="edited")
    assert scene.verify().behind == {"not yet applied": 1}

    def apply() -> None:
        scene.known.target = replace(scene.known.target, applied_sequence=6)

    scene.on_sleep = apply
    assert scene.verify().is_equal


def test_only_what_is_equal_afterwards_counts_as_repaired() -> None:
    scene = Scene(target={})

    def repair_one() -> None:
        if scene.wanted:
            scene.target[KEYS[0]] = "letter"
            scene.known.ledger[KEYS[1]] = replace(scene.known.ledger[KEYS[1]], state=ItemState.PARKED)

    scene.on_sleep = repair_one
    found = scene.verify(is_repairing=True)
    assert (found.repairs_ordered, found.repaired, found.behind) == (2, {"missing": 1}, {"parked": 1})


def test_repairs_that_nothing_came_of_are_ordered_and_not_repaired() -> None:
    found = Scene(target={}).verify(is_repairing=True)
    assert (found.repairs_ordered, found.repaired, found.by_kind) == (2, {}, {"missing": 2})


@pytest.mark.parametrize(
    ("place", "fields"),
    [(("renamed", "msgfolderroot"), ("name",)), (("f", "elsewhere"), ("parent",)), (("g", "x"), ("name", "parent"))],
)
def test_a_folder_that_has_another_name_or_place_is_not_equal(place: tuple[str, str], fields: tuple[str, ...]) -> None:
    found = Scene(place_at_target=place).verify()
    assert [(d.kind, d.folder_id, d.fields, d.is_repairable) for d in found.divergences] == [
        (Kind.FOLDER_DIFFERING, "f", fields, False)
    ]


def test_names_and_places_of_distinguished_folders_are_each_servers_own() -> None:
    scene = Scene(place_at_target=("Posteingang", "x"))
    scene.known.target_folders["f"] = replace(scene.known.target_folders["f"], distinguished="inbox")
    assert scene.verify().is_equal


def test_a_rename_on_its_way_is_behind_and_then_equal() -> None:
    scene = Scene(name_at_source="new")
    assert scene.verify().behind == {"not yet captured": 1}
    scene.known.folders["f"] = replace(scene.known.folders["f"], name="new")
    scene.known.source = replace(scene.known.source, next_sequence=7)
    assert scene.verify().behind == {"not yet applied": 1}

    def apply() -> None:
        scene.place_at_target = ("new", "msgfolderroot")

    scene.on_sleep = apply
    assert scene.verify().is_equal
