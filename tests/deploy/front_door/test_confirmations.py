"""Confirmation by a client's own request and by a real message, against HAProxy, servers and SMTP entry of the lab."""

from dataclasses import replace

import pytest

from deploy.exchange import ServerSettings
from deploy.front_door.actuator import ActuatorError
from deploy.front_door.ews_confirmation import EwsConfirmation
from deploy.front_door.sections import SmtpSection
from deploy.front_door.smtp_confirmation import SmtpConfirmation, chosen
from deploy.lab.exchange.process import ExchangeConnection  # noqa: TC001 - as the others
from deploy.lab.haproxy import Proxy
from deploy.lab.smtp import SmtpEntry

from .conftest import Servers, free_port
from .test_haproxy import actuator_of

pytestmark = pytest.mark.slow


def settings_of(servers: Servers) -> dict[str, ServerSettings]:
    return {
        name: ServerSettings(
            name=name, url=process.connection.url, user=process.user, password="secret", version=process.version
        )
        for name, process in (("mail", servers.source), ("standby", servers.target))
    }


def test_who_answers_through_the_front_door_is_proved_by_the_folder_id(proxy: Proxy, servers: Servers) -> None:
    url = f"http://127.0.0.1:{proxy.port}/EWS/Exchange.asmx"
    confirmation, haproxy = EwsConfirmation(url, None, settings_of(servers)), actuator_of(proxy, servers)
    confirmation.check(servers.redirections)
    with pytest.raises(
        ActuatorError, match=r"front_door\.ews_url, confirm: .*does not open mailbox .*ErrorNonExistent"
    ):
        confirmation.confirm(servers.redirections)
    haproxy.close(servers.redirections)
    with pytest.raises(ActuatorError, match=r"does not open mailbox"):
        confirmation.check(servers.redirections)
    haproxy.redirect(servers.redirections)
    confirmation.confirm(servers.redirections)
    with pytest.raises(ActuatorError, match=r"check: "):
        confirmation.check(servers.redirections)


def test_a_server_that_holds_the_same_address_is_still_told_apart(proxy: Proxy, servers: Servers) -> None:
    url = f"http://127.0.0.1:{proxy.port}/EWS/Exchange.asmx"
    anna = servers.redirections[0]
    servers.target.change_directory(also={"anna@source.test": "anna@target.test"})
    same = replace(anna, to_place=replace(anna.to_place, address="anna@source.test"))
    try:
        with pytest.raises(ActuatorError, match=r"another server than standby answers for mailbox [0-9a-f]{20}"):
            EwsConfirmation(url, None, settings_of(servers)).confirm([same])
    finally:
        servers.target.change_directory(also={"anna@source.test": ""})


def test_a_real_message_has_to_arrive_at_the_target_and_is_removed_again(servers: Servers) -> None:
    live: dict[str, tuple[ExchangeConnection, str]] = {}
    anna = servers.redirections[:1]
    with SmtpEntry(live.get, free_port()) as entry:
        section = SmtpSection(host="127.0.0.1", port=entry.port, sender="probe@example.test", timeout_seconds=2)
        confirmation = SmtpConfirmation(section, settings_of(servers))
        with pytest.raises(ActuatorError, match=r"check: 127\.0\.0\.1 refuses a recipient \(550\)"):
            confirmation.check(anna)
        live["anna@source.test"] = (servers.source.connection, "anna@source.test")
        confirmation.check(anna)
        with pytest.raises(ActuatorError, match=r"confirm: the message to mailbox .* did not arrive at standby in 2 s"):
            confirmation.confirm(anna)
        live["anna@source.test"] = (servers.target.connection, "anna@target.test")
        confirmation.confirm(anna)
        deleted = servers.target.calls()["operations"]["DeleteItem"]
        assert deleted
    with pytest.raises(ActuatorError, match=r"takes no mail"):
        confirmation.check(anna)


def test_of_many_mailboxes_some_are_chosen_evenly(servers: Servers) -> None:
    many = [replace(servers.redirections[0], mailbox=str(n)) for n in range(1000)]
    assert [r.mailbox for r in chosen(many, 4)] == ["0", "250", "500", "750"]
    assert chosen(many[:3], 4) == many[:3]
