"""The front door of a rehearsal: a real responder with a certificate of the hour, and a client that asks it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from deploy import wiring
from deploy.front_door.actuator import ActuatorError, Place, Redirection
from deploy.front_door.autodiscover import AutodiscoverActuator
from deploy.front_door.guide import Guide
from deploy.front_door.sections import AutodiscoverSection, CommandSection, FrontDoorSection
from deploy.rehearsal.pipeline import Place as RehearsalPlace
from deploy.rehearsal.pipeline import place_of, with_mailboxes
from deploy.rehearsal.private_door import RehearsedClient, private_door
from deploy.settings import load
from schemas.identity import mailbox_id
from schemas.state import Registration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.sections import Settings
    from tests.deploy.conftest import Configuration

ANNA = "anna@source.test"
SCRATCH = "anna-rehearsal@source.test"


@pytest.fixture
def settings(configuration: Configuration) -> Settings:
    """Settings of a rehearsal whose scratch server nobody runs, of a pipeline with a front door of its own."""
    one = {"url": "http://127.0.0.1:9/EWS/Exchange.asmx", "user": "u", "password": "p", "auth": "basic"}
    configuration.sections["rehearsal"] = one
    configuration.write()
    command = CommandSection(name="fence", kind="source-fence", command=("false",))
    real = replace(load(configuration.path, {}), front_door=FrontDoorSection(commands=(command,), ews_url="http://x"))
    registration = Registration(mailbox=mailbox_id(ANNA), source=ANNA, targets={"rehearsal": SCRATCH})
    return with_mailboxes(real, place_of(real, "0123abcd"), [registration])


@pytest.fixture
def served(settings: Settings) -> Iterator[Settings]:
    with private_door(settings, place(settings)) as found:
        yield found


def place(settings: Settings) -> RehearsalPlace:
    return RehearsalPlace(settings.pipeline.name, settings.pipeline.data_directory.parent)


def section_of(settings: Settings) -> AutodiscoverSection:
    section = settings.front_door.autodiscover
    assert section
    return section


def client_of(settings: Settings) -> RehearsedClient:
    servers = {s.name: wiring.server_settings(s) for s in settings.targets.values()}
    return RehearsedClient(section_of(settings).responders[0], section_of(settings).ca_file, servers)


def redirection(settings: Settings) -> Redirection:
    target = settings.targets["rehearsal"]
    return Redirection(
        mailbox=mailbox_id(ANNA), address=ANNA,
        from_place=Place(server=settings.source.name, ews_url=settings.source.url, address=ANNA),
        to_place=Place(server="rehearsal", ews_url=target.url, address=SCRATCH),
    )  # fmt: skip


def test_no_part_of_the_real_front_door_is_in_a_rehearsal(settings: Settings, served: Settings) -> None:
    assert settings.front_door == FrontDoorSection()
    assert served.front_door == FrontDoorSection(autodiscover=section_of(served))
    assert section_of(served).listen_address == "127.0.0.1"
    for file in (*section_of(served).route_files, section_of(served).key_file):
        assert file.is_relative_to(served.pipeline.data_directory)
    assert section_of(served).key_file.stat().st_mode & 0o077 == 0


def test_a_client_is_led_nowhere_but_to_scratch(served: Settings) -> None:
    section, moved = section_of(served), redirection(served)
    actuator = AutodiscoverActuator(section, Guide(served, section))
    client = client_of(served)
    actuator.check([moved])
    with pytest.raises(ActuatorError, match="is led elsewhere than to rehearsal"):
        client.confirm([moved])
    actuator.close([moved])
    with pytest.raises(ActuatorError, match="is told no server"):
        client.confirm([moved])
    actuator.redirect([moved])
    with pytest.raises(ActuatorError, match="can't open its inbox"):
        client.confirm([moved])
    assert client.first_at is None


def test_the_door_is_shut_when_the_rehearsal_is_over(settings: Settings) -> None:
    with private_door(settings, place(settings)) as found:
        client = client_of(found)
    with pytest.raises(ActuatorError, match="is not answered"):
        client.confirm([redirection(found)])
