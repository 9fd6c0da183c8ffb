"""Scratch mailboxes on a simulated server: who may not be one, and what is taken away and what stays."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from consumers.target import Done, Update
from deploy.lab.session import ServerAddress, UserSession
from deploy.lab.workload.mailbox import UserMailbox
from deploy.rehearsal.scratch import STAGING, Scratch, ScratchError, Thrown
from deploy.sections import ServerSection
from deploy.verification.knowledge import MailboxKnowledge
from schemas.identity import Stamp
from schemas.state import MailboxRecord, TargetFolder, TargetMailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.lab.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
OURS = "01234567"


@pytest.fixture
def scratch(server: ExchangeProcess) -> Iterator[Scratch]:
    found = server.connection
    section = ServerSection(name="rehearsal", url=found.url, user=found.user, password=found.password, version="2019")
    with closing(Scratch(section)) as opened:
        yield opened


@pytest.fixture
def user(server: ExchangeProcess, request: pytest.FixtureRequest) -> UserMailbox:
    """A mailbox of the test's own."""
    address = f"{request.node.name.replace('_', '-')[:50]}@scratch.test"
    server.add_mailbox(address)
    found = server.connection
    session = UserSession(
        ServerAddress(url=found.url, user=found.user, password=found.password, version=server.version)
    )
    return UserMailbox(session, address)


def note(user: UserMailbox, folder_id: str) -> str:
    """Put a post into a folder; return its id."""
    return user.create_entries(folder_id, ["<t:Message><t:Subject>x</t:Subject></t:Message>"])[0]


def stamped(scratch: Scratch, user: UserMailbox, folder_id: str, target: str) -> None:
    item_id = note(user, folder_id)
    update = Update(item_id=item_id, change_key=user.change_key(item_id), stamp=str(Stamp(target, "i", "n")))
    (outcome,) = scratch.target.update(user.address, [update])
    assert isinstance(outcome, Done), outcome


def known_of(*folders: TargetFolder) -> MailboxKnowledge:
    known = MailboxKnowledge(MailboxRecord(mailbox="m"), TargetMailbox(mailbox="m"))
    for folder in folders:
        known.put(folder)
    return known


def made(name: str, target_id: str, parent_id: str = "") -> TargetFolder:
    return TargetFolder(
        folder_id=name, target_id=target_id, parent_id=parent_id, name=name, folder_class="", distinguished="",
        created=True, generation=1, sequence=1,
    )  # fmt: skip


def test_an_empty_mailbox_that_nobody_has_may_be_written_to(scratch: Scratch, user: UserMailbox) -> None:
    scratch.require_nobodys(user.address, {"elsewhere"})


def test_a_mailbox_with_an_item_in_any_folder_is_refused(scratch: Scratch, user: UserMailbox) -> None:
    note(user, user.folder(("Work", "Deep")))
    with pytest.raises(ScratchError, match=r"is not empty.*--clean-up"):
        scratch.require_nobodys(user.address, set())


def test_a_mailbox_that_something_replays_into_is_refused(scratch: Scratch, user: UserMailbox) -> None:
    root_id = scratch.target.root(user.address, "root")
    scratch.target.create_folder(user.address, root_id, f"{STAGING}abc-note", "IPF.Note", hidden=True)
    with pytest.raises(ScratchError, match=r"something is replayed.*--clean-up"):
        scratch.require_nobodys(user.address, set())


def test_a_mailbox_of_the_pipeline_is_refused_under_any_name(scratch: Scratch, user: UserMailbox) -> None:
    with pytest.raises(ScratchError, match="is a mailbox of the pipeline itself by another name"):
        scratch.require_nobodys(user.address, {user.folder(("/inbox",))})


def test_what_a_rehearsal_placed_is_taken_away_and_nothing_else(scratch: Scratch, user: UserMailbox) -> None:
    inbox, address = user.folder(("/inbox",)), user.address
    top, deep, shared = user.folder(("Top",)), user.folder(("Top", "Deep")), user.folder(("Shared",))
    unsaid = user.folder(("Shared", "Unsaid"))
    for folder_id in (inbox, deep, shared, unsaid):
        stamped(scratch, user, folder_id, OURS)
    stamped(scratch, user, inbox, "89abcdef")
    note(user, shared)
    root_id = scratch.target.root(address, "root")
    for name in (OURS, "89abcdef"):
        scratch.target.create_folder(address, root_id, f"{STAGING}{name}-note", "IPF.Note", hidden=True)
    folders = (
        made("top", top), made("deep", deep, "top"), made("shared", shared), made("Unsaid", "", "shared")
    )  # fmt: skip
    first = scratch.throw_away(address, known_of(*folders), OURS)
    assert first == Thrown(items=4, folders=4, foreign_items=2, folders_left=1)
    assert scratch.target.find_child(address, root_id, f"{STAGING}{OURS}-note") is None
    assert scratch.target.find_child(address, root_id, f"{STAGING}89abcdef-note") is not None
    assert scratch.target.folder(address, top) is None
    held = scratch.target.folder(address, shared)
    assert held
    assert (held.total_count, held.child_count) == (1, 0)
    again = scratch.throw_away(address, known_of(*folders), OURS)
    assert again == Thrown(items=0, folders=0, foreign_items=2, folders_left=1)


def test_what_the_log_deleted_cannot_be_recovered_from_scratch(scratch: Scratch, user: UserMailbox) -> None:
    inbox, address = user.folder(("/inbox",)), user.address
    for target in (OURS, "89abcdef"):
        stamped(scratch, user, inbox, target)
    listed = scratch.target.listing(address, inbox, 0).items
    assert all(isinstance(o, Done) for o in scratch.target.delete(address, [i.item_id for i in listed], hard=False))
    assert scratch.throw_away(address, known_of(), OURS) == Thrown(items=1, foreign_items=1)
    deleted_id = scratch.target.root(address, "recoverableitemsdeletions")
    assert len(scratch.target.listing(address, deleted_id, 0).items) == 1


def test_a_folder_below_the_top_whose_making_nobody_wrote_down_is_taken_away(
    scratch: Scratch, user: UserMailbox
) -> None:
    unsaid = user.folder(("Projects",))
    assert scratch.throw_away(user.address, known_of(made("Projects", "")), OURS) == Thrown(folders=1)
    assert scratch.target.folder(user.address, unsaid) is None
