from typing import Any

import pytest

from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import listed, read
from deploy.lab.workload.active_mailbox import ACTIONS, ActiveMailbox
from deploy.lab.workload.generator import Generator

pytestmark = pytest.mark.slow


def contents(pair: Any, address: str) -> dict[tuple[str, ...], list[bytes]]:
    """Return the canonical forms in every folder."""
    return {
        key: sorted(
            form.canonical.digest()
            for form in read(pair.source, address, list(listed(pair.source, address, folder.folder_id)))
        )
        for key, folder in folders_of(pair.source, address).items()
    }


@pytest.mark.parametrize("action", [name for name in ACTIONS if name != "receive"])
def test_every_action_that_says_it_did_something_changed_the_mailbox(exchange_pair: Any, action: str) -> None:
    address, _ = exchange_pair.new_mailboxes()
    user = ActiveMailbox(exchange_pair.source, address, 0, Generator(1, (address,)))
    for first in ("receive", "receive", "create_folder", "create_folder"):
        user.act(first)
    before = contents(exchange_pair, address)
    while not user.act(action):
        pass
    assert contents(exchange_pair, address) != before


def test_in_an_empty_mailbox_there_is_nothing_to_read_or_move(exchange_pair: Any) -> None:
    address, _ = exchange_pair.new_mailboxes()
    user = ActiveMailbox(exchange_pair.source, address, 0, Generator(1, (address,)))
    assert not any(user.act(name) for name in ("read", "flag", "categorise", "edit", "move", "copy", "delete"))
