from typing import Any

import pytest

from consumers.scope import LEFT_OUT_AGE, LEFT_OUT_CLASS, Scope
from schemas.change import FolderSaved, ItemSaved
from schemas.state import TargetFolder

DAY_MS = 24 * 3600 * 1000


def saved(name: str, distinguished: str = "", parent_id: str = "") -> FolderSaved:
    return FolderSaved(
        folder_id="f", parent_id=parent_id, name=name, folder_class="IPF.Note", distinguished=distinguished
    )


def parent(*, left_out: bool) -> TargetFolder:
    return TargetFolder(
        folder_id="p", target_id="", parent_id="", name="P", folder_class="", distinguished="", created=False,
        generation=1, sequence=1, left_out=left_out,
    )  # fmt: skip


def test_a_folder_is_left_out_by_its_distinguished_id_or_by_its_name_at_the_top_with_all_below_it() -> None:
    scope = Scope(folders_left_out=("junkemail", "Old Projects"))
    assert scope.leaves_out_folder(saved("Spam", "junkemail"), None)
    assert scope.leaves_out_folder(saved("old projects"), None)
    assert not scope.leaves_out_folder(saved("Old Projects"), parent(left_out=False))
    assert scope.leaves_out_folder(saved("Anything"), parent(left_out=True))
    assert not scope.leaves_out_folder(saved("Inbox", "inbox"), None)


@pytest.mark.parametrize(
    ("item_class", "received_at", "reason"),
    [
        ("IPM.Note", "1970-01-09T00:00:00Z", ""),
        ("IPM.Note", "1970-01-01T00:00:00Z", LEFT_OUT_AGE),
        ("IPM.Note", "no date", ""),
        ("IPM.Activity.Call", "1970-01-09T00:00:00Z", LEFT_OUT_CLASS),
        ("ipm.activity", "1970-01-09T00:00:00Z", LEFT_OUT_CLASS),
    ],
)
def test_an_item_is_left_out_by_class_or_by_its_age_when_it_was_captured(
    making: Any, item_class: str, received_at: str, reason: str
) -> None:
    scope = Scope(classes_left_out=("IPM.Activity",), age_days_max=7)
    item: ItemSaved = making.saved(making.ref("a"), b"", item_class=item_class, received_at=received_at)
    assert scope.leaves_out_item(item, 10 * DAY_MS) == reason
    assert not Scope().leaves_out_item(item, 10 * DAY_MS)


def test_scopes_that_leave_out_the_same_have_the_same_digest() -> None:
    assert Scope().digest == ""
    one = Scope(folders_left_out=("junkemail", "Old"), classes_left_out=("IPM.Task",))
    assert one.digest == Scope(folders_left_out=("OLD", "junkemail"), classes_left_out=("ipm.task",)).digest
    assert one.digest != Scope(folders_left_out=("junkemail",)).digest
