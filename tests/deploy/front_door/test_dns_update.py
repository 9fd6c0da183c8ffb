"""Against a real BIND: a zone that takes updates signed by one key for the names of one subtree."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from deploy.front_door.actuator import ActuatorError, Place, Redirection
from deploy.front_door.dns_update import DnsActuator
from deploy.front_door.sections import DnsSection

from .conftest import Program, free_port, program

pytestmark = pytest.mark.slow
_ZONE = """$TTL 60
@ IN SOA ns.example.test. admin.example.test. 1 3600 600 86400 60
@ IN NS ns.example.test.
ns IN A 127.0.0.1
mail IN A 127.0.0.2
autodiscover IN A 127.0.0.2
slow 7200 IN A 127.0.0.2
locked IN A 127.0.0.2
"""
_CONF = """include "{directory}/front-door.key"; include "{directory}/other.key";
options {{ directory "{directory}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
 pid-file none; session-keyfile none; recursion no; dnssec-validation no; }};
controls {{ }};
zone "example.test" {{ type primary; file "example.test.zone";
 update-policy {{ grant front-door name mail.example.test. A;
  grant front-door name autodiscover.example.test. A; }}; }};
"""


@dataclass
class NameServer:
    program: Program
    directory: Path
    port: int

    def section(self, **changes: Any) -> DnsSection:
        section = DnsSection(
            server="127.0.0.1",
            zone="example.test",
            key_file=self.directory / "front-door.key",
            names=("mail.example.test", "autodiscover.example.test"),
            addresses={"mail": "127.0.0.2", "standby": "127.0.0.3"},
            port=self.port,
            timeout_seconds=3,
        )
        return replace(section, **changes)

    def answer(self, name: str, kind: str = "A") -> list[str]:
        found = dns.query.tcp(dns.message.make_query(name, kind), "127.0.0.1", port=self.port, timeout=3)
        return [r.to_text() for s in found.answer for r in s]

    def reset(self) -> None:
        self.program.kill()
        (self.directory / "example.test.zone.jnl").unlink(missing_ok=True)
        (self.directory / "example.test.zone").write_text(_ZONE)
        self.program.start()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    binary, keygen = program("named", "bind9"), program("tsig-keygen", "bind9-utils")
    directory = tmp_path_factory.mktemp("named")
    for name in ("front-door", "other"):
        made = subprocess.run([keygen, "-a", "hmac-sha256", name], capture_output=True, check=True)  # noqa: S603 - as found
        (directory / f"{name}.key").write_bytes(made.stdout)
    port = free_port()
    (directory / "named.conf").write_text(_CONF.format(directory=directory, port=port))
    command = [binary, "-g", "-n", "1", "-c", str(directory / "named.conf")]
    found = NameServer(Program(command, port, directory / "named.log"), directory, port)
    yield found
    found.program.kill()
    shutil.rmtree(directory)


@pytest.fixture
def name_server(running: NameServer) -> NameServer:
    running.reset()
    return running


def _redirection(name: str) -> Redirection:
    return Redirection(
        mailbox=name,
        address=f"{name}@example.test",
        from_place=Place(server="mail", ews_url="https://mail/EWS", address=f"{name}@example.test"),
        to_place=Place(server="standby", ews_url="https://standby/EWS", address=f"{name}@standby.test"),
    )


ALL = [_redirection("anna"), _redirection("ben")]
MAILBOXES = frozenset({"anna", "ben"})


def test_all_names_are_led_in_one_update_and_back_and_each_step_may_be_repeated(name_server: NameServer) -> None:
    actuator = DnsActuator(name_server.section(), MAILBOXES)
    serial = name_server.answer("example.test", "SOA")
    for _ in range(2):
        actuator.check(ALL)
    assert name_server.answer("example.test", "SOA") == serial, "a check changes nothing"
    actuator.close(ALL)
    for _ in range(2):
        actuator.redirect(ALL)
        actuator.confirm(ALL)
    assert name_server.answer("mail.example.test") == name_server.answer("autodiscover.example.test") == ["127.0.0.3"]
    for _ in range(2):
        actuator.undo(ALL)
    actuator.check(ALL)
    assert name_server.answer("mail.example.test") == ["127.0.0.2"]


def test_what_somebody_else_changed_is_not_overwritten(name_server: NameServer) -> None:
    DnsActuator(name_server.section(addresses={"mail": "127.0.0.2", "standby": "127.0.0.9"}), MAILBOXES).redirect(ALL)
    with pytest.raises(ActuatorError, match=r"front_door\.dns, redirect: .*NXRRSET: .*somebody changed them"):
        DnsActuator(name_server.section(), MAILBOXES).redirect(ALL)
    assert name_server.answer("mail.example.test") == ["127.0.0.9"]


def test_of_two_at_once_every_name_ends_with_the_same(name_server: NameServer) -> None:
    actuators = [
        DnsActuator(name_server.section(addresses={"mail": "127.0.0.2", "standby": f"127.0.0.{n}"}), MAILBOXES)
        for n in (3, 4)
    ]
    failures = []

    def lead(actuator: DnsActuator) -> None:
        try:
            actuator.redirect(ALL)
        except ActuatorError as error:
            failures.append(error)

    threads = [threading.Thread(target=lead, args=(a,)) for a in actuators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 1
    assert name_server.answer("mail.example.test") == name_server.answer("autodiscover.example.test")


def test_a_wrong_key_is_told_at_the_check(name_server: NameServer) -> None:
    with pytest.raises(ActuatorError, match=r"check: .*REFUSED: .*grant the key"):
        DnsActuator(name_server.section(key_file=name_server.directory / "other.key"), MAILBOXES).check(ALL)
    forged = name_server.directory / "forged.key"
    forged.write_text('key "front-door" { algorithm hmac-sha256; secret "AAAAAAAAAAAAAAAAAAAAAA=="; };')
    with pytest.raises(ActuatorError, match=r"check: .*does not accept the key"):
        DnsActuator(name_server.section(key_file=forged), MAILBOXES).check(ALL)
    forged.write_text("no key")
    with pytest.raises(ActuatorError, match=r"holds no key; make one with tsig-keygen"):
        DnsActuator(name_server.section(key_file=forged), MAILBOXES).check(ALL)


def test_a_name_the_key_may_not_change_is_told_at_the_check(name_server: NameServer) -> None:
    with pytest.raises(ActuatorError, match=r"check: .*REFUSED"):
        DnsActuator(name_server.section(names=("locked.example.test",)), MAILBOXES).check(ALL)


def test_a_long_ttl_and_an_unknown_name_are_told_at_the_check(name_server: NameServer) -> None:
    with pytest.raises(ActuatorError, match=r"TTL of 7200 s: clients would stay that long"):
        DnsActuator(name_server.section(names=("slow.example.test",)), MAILBOXES).check(ALL)
    with pytest.raises(ActuatorError, match=r"nowhere\.example\.test holds nothing"):
        DnsActuator(name_server.section(names=("nowhere.example.test",)), MAILBOXES).check(ALL)


def test_a_killed_server_is_told_and_the_step_can_be_run_again(name_server: NameServer) -> None:
    actuator = DnsActuator(name_server.section(), MAILBOXES)
    name_server.program.kill()
    with pytest.raises(ActuatorError, match=r"redirect: 127\.0\.0\.1 port \d+ does not answer .*start it and try"):
        actuator.redirect(ALL)
    name_server.program.start()
    actuator.redirect(ALL)
    name_server.program.kill()
    name_server.program.start()
    actuator.confirm(ALL)
    actuator.undo(ALL)
    actuator.check(ALL)


def test_some_mailboxes_alone_cannot_be_led(name_server: NameServer) -> None:
    with pytest.raises(ActuatorError, match=r"a name leads all mailboxes at once, and 1 would stay behind"):
        DnsActuator(name_server.section(), MAILBOXES).redirect(ALL[:1])
