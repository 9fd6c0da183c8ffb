"""What a promotion missed: new, changed, moved and deleted, and nothing because its folder was renamed."""

from deploy.lab.comparison.folders import FolderKey
from deploy.lab.comparison.matching import Seen
from deploy.lab.missed import Journal, Missed, missed_between

INBOX: FolderKey = ("/inbox",)
ASIDE: FolderKey = ("Aside", "/msgfolderroot")
RENAMED: FolderKey = ("Beside", "/msgfolderroot")


def seen(identity: str, digest: str = "", *, item_id: str = "") -> Seen:
    return Seen(
        digest=(digest or identity).encode(), identity=identity.encode(), item_id=item_id or identity, is_stamped=True
    )


def test_equal_sides_miss_nothing() -> None:
    side = {INBOX: [seen("a"), seen("b")]}
    assert missed_between(side, side, Journal()) == Missed(frozenset(), 0)


def test_what_is_new_or_changed_at_the_source_is_missed() -> None:
    source = {INBOX: [seen("a"), seen("b", "edited"), seen("c")]}
    target = {INBOX: [seen("a"), seen("b")]}
    assert missed_between(source, target, Journal()) == Missed(frozenset({"b", "c"}), 0)


def test_what_was_deleted_is_counted() -> None:
    assert missed_between({INBOX: []}, {INBOX: [seen("a")], ASIDE: [seen("b")]}, Journal()) == Missed(frozenset(), 2)


def test_an_item_elsewhere_is_missed_only_where_it_was_moved() -> None:
    source = {ASIDE: [seen("a", item_id="a2")], INBOX: []}
    target = {INBOX: [seen("a")], ASIDE: []}
    assert missed_between(source, target, Journal(frozenset({"a2"}))) == Missed(frozenset({"a2"}), 0)
    assert missed_between(source, target, Journal()) == Missed(frozenset(), 0)


def test_an_item_that_was_moved_and_changed_is_missed_once() -> None:
    source = {ASIDE: [seen("a", "edited", item_id="a2")]}
    target = {INBOX: [seen("a")]}
    assert missed_between(source, target, Journal(frozenset({"a2"}))) == Missed(frozenset({"a2"}), 0)


def test_a_renamed_folder_misses_none_of_its_items_but_what_is_new_in_it() -> None:
    source = {RENAMED: [seen("a"), seen("b"), seen("new")]}
    target = {ASIDE: [seen("a"), seen("b")]}
    assert missed_between(source, target, Journal()) == Missed(frozenset({"new"}), 0)
    assert missed_between(source, target, Journal(frozenset({"a"}))) == Missed(frozenset({"new"}), 0), (
        "moved before, and captured"
    )


def test_copies_with_equal_content_are_counted_each() -> None:
    source = {INBOX: [seen("a"), seen("a", item_id="a2"), seen("a", item_id="a3")]}
    target = {INBOX: [seen("a")], ASIDE: []}
    assert len(missed_between(source, target, Journal()).items) == 2


def test_what_users_wrote_at_the_target_is_nobodys_loss() -> None:
    theirs = Seen(digest=b"x", identity=b"x", item_id="x", is_stamped=False)
    assert missed_between({INBOX: [seen("a")]}, {INBOX: [seen("a"), theirs]}, Journal()) == Missed(frozenset(), 0)


def test_of_a_copy_and_its_original_beside_it_the_copy_is_missed() -> None:
    journal = Journal.of([{"item_id": "original", "kind": "create"}, {"item_id": "copy", "kind": "create"}])
    source = {INBOX: [seen("a", item_id="copy"), seen("a", item_id="original")]}
    assert missed_between(source, {INBOX: [seen("a", item_id="there")]}, journal) == Missed(frozenset({"copy"}), 0)
