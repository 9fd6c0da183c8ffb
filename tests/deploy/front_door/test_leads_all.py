"""What leads all mailboxes at once refuses some of them before anything is closed, whoever registered the others."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.front_door.actuator import Actuator, ActuatorError
from deploy.front_door.configured import actuators_of, redirection_of, swapped
from deploy.sections import Settings
from deploy.settings import load
from schemas.identity import mailbox_id

TEXT = """
[pipeline]
name = "door"
[source]
name = "mail"
url = "https://mail.test/EWS"
user = "u"
password = "p"
[targets.standby]
url = "https://standby.test/EWS"
user = "u"
password = "p"
mailboxes = ["*@source.test"]
[[mailboxes]]
source = "anna@source.test"
[[mailboxes]]
source = "ben@source.test"
[front_door]
ews_url = "https://door.test/EWS"
[front_door.haproxy]
sockets = ["127.0.0.1:9"]
map_file = "m"
backends = { mail = "x", standby = "y" }
leads = "host"
hosts = ["door.test"]
[front_door.dns]
server = "127.0.0.1"
port = 9
zone = "s.test"
key_file = "k"
names = ["mail.s.test"]
addresses = { mail = "192.0.2.1", standby = "192.0.2.2" }
[[front_door.commands]]
name = "f"
kind = "source-fence"
command = ["true"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "mailshadow.toml").write_text(TEXT)
    return load(tmp_path / "mailshadow.toml", {})


def of_kind(actuators: tuple[Actuator, ...], name: str) -> Actuator:
    return next(a for a in actuators if a.name == name)


def test_who_leads_all_says_so(settings: Settings) -> None:
    assert {a.name for a in actuators_of(settings) if a.leads_all} == {"front_door.haproxy", "front_door.dns"}
    door = settings.front_door
    assert door.haproxy
    single = replace(settings, front_door=replace(door, haproxy=replace(door.haproxy, leads="mailbox"), dns=None))
    assert not any(a.leads_all for a in actuators_of(single))


@pytest.mark.parametrize("name", ["front_door.haproxy", "front_door.dns"])
def test_some_are_refused_at_the_check_before_any_program_is_asked(settings: Settings, name: str) -> None:
    some = [redirection_of(settings, settings.mailboxes[0], "standby")]
    with pytest.raises(ActuatorError, match=rf"{name}, check: .*leads all mailboxes at once, and 1 would stay behind"):
        of_kind(actuators_of(settings), name).check(some)


@pytest.mark.parametrize("name", ["front_door.haproxy", "front_door.dns"])
def test_a_mailbox_that_was_added_by_command_is_one_of_all(settings: Settings, name: str) -> None:
    known = [redirection_of(settings, m, "standby") for m in settings.mailboxes]
    actuators = actuators_of(settings, [mailbox_id("carl@source.test"), mailbox_id("anna@source.test")])
    with pytest.raises(ActuatorError, match=r"check: .* and 1 would stay behind"):
        of_kind(actuators, name).check(known)


def test_the_way_back_swaps_the_places_and_nothing_else(settings: Settings) -> None:
    forth = redirection_of(settings, settings.mailboxes[0], "standby")
    back = swapped(forth)
    assert (back.from_place, back.to_place, back.address) == (forth.to_place, forth.from_place, forth.address)
    assert swapped(back) == forth
