from typing import Any

import pytest

from deploy.lab.comparison.folders import folders_of, staging_of
from deploy.lab.workload.mailbox import UserMailbox

pytestmark = pytest.mark.slow


def test_folders_are_known_by_distinguished_id_and_names_below(exchange_pair: Any) -> None:
    source, target = exchange_pair.new_mailboxes()
    for session, address in ((exchange_pair.source, source), (exchange_pair.target, target)):
        mailbox = UserMailbox(session, address)
        mailbox.folder(("/inbox", "Projects", "Alpha"))
        mailbox.folder(("Archive",))
    one, other = folders_of(exchange_pair.source, source), folders_of(exchange_pair.target, target)
    assert one.keys() == other.keys()
    assert {("/inbox",), ("/inbox", "Projects", "Alpha"), ("Archive",), ("/calendar",)} <= one.keys()


def test_a_renamed_distinguished_folder_keeps_its_key(exchange_pair: Any) -> None:
    source, _ = exchange_pair.new_mailboxes()
    mailbox = UserMailbox(exchange_pair.source, source)
    before = folders_of(exchange_pair.source, source).keys()
    mailbox.rename_folder(mailbox.folder(("/inbox",)), "Posteingang")
    assert folders_of(exchange_pair.source, source).keys() == before


def test_staging_folders_are_found_outside_the_visible_tree(exchange_pair: Any) -> None:
    _, target = exchange_pair.new_mailboxes()
    mailbox = UserMailbox(exchange_pair.target, target)
    mailbox.create_folder(mailbox.folder(("/root",)), "mailshadow-staging-standby-note")
    assert [f.name for f in staging_of(exchange_pair.target, target)] == ["mailshadow-staging-standby-note"]
