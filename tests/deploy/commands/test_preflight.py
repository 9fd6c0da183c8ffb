"""A mailbox is opened once as the service would open it."""

from pathlib import Path

import pytest

from deploy import exit_codes
from deploy.commands.preflight import check_mailbox
from deploy.lab.exchange.process import ExchangeProcess
from deploy.sections import ServerSection

pytestmark = pytest.mark.slow


def test_each_way_it_can_fail_has_its_code_and_its_advice(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, mailboxes=["anna@source.test"]) as server:
        at = server.start()
        section = ServerSection(name="one", url=at.url, user=at.user, password=at.password, version="2019")
        good = check_mailbox(section, "source", "anna@source.test")
        assert good.is_good, good
        wrong = ServerSection(name="one", url=at.url, user=at.user, password="wrong", version="2019")
        refused = check_mailbox(wrong, "source", "anna@source.test")
        assert (refused.is_good, refused.exit_code) == (False, exit_codes.NOT_ALLOWED)
        assert "ApplicationImpersonation" in refused.text
        nobody = check_mailbox(section, "target", "nobody@source.test")
        assert (nobody.is_good, nobody.exit_code) == (False, exit_codes.NO_MAILBOX)
    away = check_mailbox(section, "target", "anna@source.test")
    assert (away.is_good, away.exit_code) == (False, exit_codes.TARGET_UNREACHABLE)
