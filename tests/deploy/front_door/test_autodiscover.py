"""The responder as the command that serves it, asked by exchangelib's own autodiscovery and by plain requests."""

import datetime as dt
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.front_door.actuator import ActuatorError
from deploy.front_door.autodiscover import AutodiscoverActuator
from deploy.front_door.guide import Guide
from deploy.front_door.routes import Route, read_routes, write_routes
from deploy.front_door.sections import AutodiscoverSection
from deploy.sections import Settings
from deploy.settings import load
from schemas.identity import mailbox_id

from .conftest import Program, Servers, free_port, program

pytestmark = pytest.mark.slow
HOSTS = (
    "autodiscover.source.test", "autodiscover.target.test", "own.source.test", "own.target.test", "mail.target.test"
)  # fmt: skip


def certificates(directory: Path) -> None:
    """Make a CA (ca.pem) and a certificate of it for the hosts here (both.pem)."""
    now = dt.datetime.now(dt.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in ("Test CA", HOSTS[0])]
    alternatives = [*(x509.DNSName(h) for h in HOSTS), x509.IPAddress(ip_address("127.0.0.1"))]
    made = []
    for name, key, extension, is_ca in (
        (names[0], keys[0], None, True),
        (names[1], keys[1], x509.SubjectAlternativeName(alternatives), False),
    ):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if extension is not None:
            builder = builder.add_extension(extension, critical=False)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    secret = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "ca.pem").write_bytes(made[0])
    (directory / "both.pem").write_bytes(made[1] + secret)


@dataclass
class Door:
    """A responder, and the servers' own Autodiscover behind TLS."""

    directory: Path
    servers: Servers
    tls: Program
    responder: Program
    settings: Settings
    dns_port: int
    section: AutodiscoverSection

    def begin(self, **changes: Any) -> AutodiscoverActuator:
        """Start anew with nobody led away."""
        self.responder.kill()
        self.section = replace(self.section, **changes)
        flags = (self.section.answers_itself, self.section.redirects_by_address)
        (self.directory / "mailshadow.toml").write_text(
            _settings(self.directory, self.servers, self.responder.port, *flags)
        )
        routes = self.directory / "data/front-door/routes.json"
        routes.unlink(missing_ok=True)
        command(self.directory, "front-door", "begin")
        self.responder.start()
        for server in (self.servers.source, self.servers.target):
            server.change_directory(also={"anna@source.test": ""}, moved={"anna@source.test": ""})
        (self.directory / "tmp").mkdir(exist_ok=True)
        for left in (self.directory / "tmp").iterdir():
            left.unlink()
        return self.actuator()

    def actuator(self) -> AutodiscoverActuator:
        section = replace(self.section, route_files=(self.directory / "data/front-door/routes.json",))
        return AutodiscoverActuator(section, Guide(self.settings, section))

    def discovered(self, address: str = "anna@source.test") -> str:
        """Return the server at which an ordinary client finds the mailbox, or its error."""
        ports = dict.fromkeys(HOSTS, self.tls.port) | {"autodiscover.source.test": self.responder.port}
        ended = subprocess.run(  # noqa: S603 - our own client
            [sys.executable, "-m", "deploy.lab.client", address],
            capture_output=True,
            check=True,
            timeout=90,
            env={
                **os.environ,
                "PORTS": json.dumps(ports),
                "DNS_PORT": str(self.dns_port),
                "REQUESTS_CA_BUNDLE": str(self.directory / "ca.pem"),
                "TMPDIR": str(self.directory / "tmp"),
            },
        )
        found = json.loads(ended.stdout.splitlines()[-1])
        if "error" in found:
            return str(found["error"])
        return {inbox(self.servers.source, address): "mail"}.get(found["inbox"]) or {
            inbox(self.servers.target, "anna@target.test"): "standby"
        }.get(found["inbox"], "nobody")

    def post(self, path: str, body: str = "", method: str = "POST", **headers: str) -> requests.Response:
        return requests.request(
            method,
            f"https://127.0.0.1:{self.responder.port}{path}",
            data=body.encode(),
            headers=headers,
            verify=str(self.directory / "ca.pem"),
            timeout=10,
            allow_redirects=False,
        )


def inbox(server: Any, address: str) -> str:
    from exchangelib import BASIC, IMPERSONATION, Account, Configuration, Credentials, Version  # noqa: PLC0415
    from exchangelib.version import EXCHANGE_2013  # noqa: PLC0415

    if not server.running:
        return "dead"
    configuration = Configuration(
        service_endpoint=server.connection.url,
        credentials=Credentials(server.user, "secret"),
        auth_type=BASIC,
        version=Version(EXCHANGE_2013),
    )
    try:
        return str(Account(address, config=configuration, access_type=IMPERSONATION, autodiscover=False).inbox.id)
    except Exception:  # noqa: BLE001 - a mailbox that is not there
        return "none"


def command(directory: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "deploy", *arguments, "--config", str(directory / "mailshadow.toml")],
        capture_output=True,
        check=True,
        timeout=60,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return done.stdout


def _settings(directory: Path, servers: Servers, port: int, itself: bool = False, by_address: bool = False) -> str:  # noqa: FBT001, FBT002
    def server(process: Any, version: str) -> str:
        return (
            f'url = "{process.connection.url}"\nuser = "{process.user}"\npassword = "secret"\nversion = "{version}"\n'
        )

    own = "https://own.{}.test/autodiscover/"
    return (
        f'[pipeline]\nname = "door"\ndata_directory = "{directory}/data"\n\n'
        f'[source]\nname = "mail"\n{server(servers.source, "2013")}\n[targets.standby]\n'
        f"{server(servers.target, '2019')}\n"
        f'[front_door.autodiscover]\ncertificate_file = "both.pem"\nkey_file = "both.pem"\nca_file = "ca.pem"\n'
        f'port = {port}\nresponders = ["https://127.0.0.1:{port}"]\n'
        f"answers_itself = {str(itself).lower()}\nredirects_by_address = {str(by_address).lower()}\n"
        f'urls = {{ mail = "{own.format("source")}", standby = "{own.format("target")}" }}\n\n'
        + "".join(
            f'[[mailboxes]]\nsource = "{r.address}"\ntargets = {{ standby = "{r.to_place.address}" }}\n\n'
            for r in servers.redirections
        )
    )


@pytest.fixture(scope="module")
def running(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    haproxy, named = program("haproxy", "haproxy"), program("named", "bind9")
    directory = tmp_path_factory.mktemp("door")
    certificates(directory)
    port, tls_port, dns_port = free_port(), free_port(), free_port()
    ends = [s.connection.url.split("/")[2] for s in (servers.source, servers.target)]
    (directory / "tls.cfg").write_text(
        "global\n maxconn 200\ndefaults\n mode http\n timeout connect 2s\n timeout client 30s\n timeout server 30s\n"
        f"frontend tls\n bind 127.0.0.1:{tls_port} ssl crt {directory}/both.pem alpn http/1.1\n"
        " http-request set-header X-Forwarded-Proto https\n"
        " use_backend target if { req.hdr(host) -m end target.test }\n"
        f" default_backend source\nbackend source\n server s {ends[0]}\nbackend target\n server t {ends[1]}\n"
    )
    hosts = "".join(f"{host.removesuffix('.test')} IN A 127.0.0.1\n" for host in HOSTS)
    (directory / "test.zone").write_text(
        f"$TTL 60\n@ IN SOA ns.test. a.test. 1 60 60 60 60\n@ IN NS ns.test.\nns IN A 127.0.0.1\n{hosts}"
    )
    (directory / "named.conf").write_text(
        f'options {{ directory "{directory}"; listen-on port {dns_port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};'
        " pid-file none; session-keyfile none; recursion no; dnssec-validation no; };\ncontrols { };\n"
        'zone "test" { type primary; file "test.zone"; };\n'
    )
    (directory / "mailshadow.toml").write_text(_settings(directory, servers, port))
    programs = [
        Program([haproxy, "-db", "-f", str(directory / "tls.cfg")], tls_port, directory / "tls.log"),
        Program([named, "-g", "-n", "1", "-c", str(directory / "named.conf")], dns_port, directory / "named.log"),
    ]
    responder = Program(
        [sys.executable, "-m", "deploy", "front-door", "--config", str(directory / "mailshadow.toml")],
        port,
        directory / "responder.log",
    )
    settings = load(directory / "mailshadow.toml", {})
    section = settings.front_door.autodiscover
    assert section is not None
    for one in programs:
        one.start()
    yield Door(directory, servers, programs[0], responder, settings, dns_port, section)
    for one in (responder, *programs):
        one.kill()


@pytest.fixture
def door(running: Door) -> Iterator[Door]:
    yield running
    running.servers.source.start()
    for server in (running.servers.source, running.servers.target):
        server.change_directory(also={"anna@source.test": ""}, moved={"anna@source.test": ""})


LONG = pytest.mark.skipif("MAILSHADOW_FRONT_DOOR" not in os.environ, reason="long form: make front-door")


@pytest.mark.parametrize("kind", ["answers_itself", pytest.param("by address", marks=LONG), "by url"])
def test_exchangelib_finds_the_live_server_before_during_and_after_with_its_cache_kept(door: Door, kind: str) -> None:
    actuator = door.begin(answers_itself=kind == "answers_itself", redirects_by_address=kind == "by address")
    anna = door.servers.redirections[:1]
    actuator.check(anna)
    assert door.discovered() == "mail"
    actuator.close(anna)
    # a client that kept the source's own Autodiscover is held off by the fence there, not by the responder
    during = door.discovered()
    assert during in {"AutoDiscoverFailed", "mail"} if kind != "answers_itself" else during == "AutoDiscoverFailed"
    if kind != "answers_itself":
        # what the organisation's directory command does: the source's own Autodiscover leads on
        door.servers.source.change_directory(moved={"anna@source.test": "anna@target.test"})
    if kind == "by url":
        door.servers.target.change_directory(also={"anna@source.test": "anna@target.test"})
    actuator.redirect(anna)
    actuator.confirm(anna)
    assert door.discovered() == "standby"
    door.servers.source.change_directory(moved={"anna@source.test": ""})
    actuator.undo(anna)
    actuator.check(anna)
    assert door.discovered() == "mail"


def test_exchangelib_that_kept_a_dead_source_comes_back_to_the_responder(door: Door) -> None:
    actuator = door.begin(answers_itself=False, redirects_by_address=True)
    anna = door.servers.redirections[:1]
    assert door.discovered() == "mail"
    door.servers.source.kill()
    actuator.close(anna)
    actuator.redirect(anna)
    assert door.discovered() == "standby"


POX = (
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/{}/requestschema/2006"><Request>'
    "<EMailAddress>{}</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/"
    "{}</AcceptableResponseSchema></Request></Autodiscover>"
)


def test_pox_and_json_lead_to_the_live_servers_own_autodiscover(door: Door) -> None:
    actuator = door.begin(answers_itself=False, redirects_by_address=True)
    outlook = POX.format("outlook", "Anna@source.test", "outlook/responseschema/2006a")
    phone = POX.format("mobilesync", "anna@source.test", "mobilesync/responseschema/2006")
    asked = "/autodiscover/autodiscover.json?Email=anna@source.test&Protocol="
    said = door.post("/Autodiscover/Autodiscover.xml", outlook).text
    assert "<RedirectUrl>https://own.source.test/autodiscover/autodiscover.xml</RedirectUrl>" in said
    assert door.post("/autodiscover/autodiscover.xml", phone).headers["Location"].startswith("https://own.source.test/")
    assert door.post(f"{asked}EWS", method="GET").headers["Location"].startswith("https://own.source.test/")
    actuator.close(door.servers.redirections)
    for answer in (door.post("/autodiscover/autodiscover.xml", outlook), door.post(f"{asked}ActiveSync", method="GET")):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    actuator.redirect(door.servers.redirections)
    assert "<RedirectAddr>anna@target.test</RedirectAddr>" in door.post("/autodiscover/autodiscover.xml", outlook).text
    assert "<Redirect>anna@target.test</Redirect>" in door.post("/autodiscover/autodiscover.xml", phone).text
    answer = door.post(f"{asked}AutodiscoverV1", method="GET")
    assert answer.json() == {
        "Protocol": "AutodiscoverV1",
        "Url": "https://own.target.test/autodiscover/autodiscover.xml",
    }


def test_outlook_is_redirected_even_where_ews_clients_are_answered(door: Door) -> None:
    door.begin(answers_itself=True, redirects_by_address=False)
    outlook = POX.format("outlook", "anna@source.test", "outlook/responseschema/2006a")
    assert "<EwsUrl>" in door.post("/autodiscover/autodiscover.xml", outlook).text
    for header in ({"X-MapiHttpCapability": "1"}, {"User-Agent": "Microsoft Office/16.0 (Microsoft Outlook 16.0)"}):
        assert "<RedirectUrl>" in door.post("/autodiscover/autodiscover.xml", outlook, **header).text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no xml",
        "<a/>",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Autodiscover><EMailAddress>&x;@a</EMailAddress></Autodiscover>',
        "<Autodiscover><EMailAddress>nobody</EMailAddress></Autodiscover>",
    ],
)
def test_what_is_no_request_is_refused_with_400_and_nothing_said(door: Door, body: str) -> None:
    if door.responder.process is None:
        door.begin()
    for path in ("/autodiscover/autodiscover.xml", "/autodiscover/autodiscover.svc"):
        answer = door.post(path, body)
        assert answer.status_code == 400
        assert "root:" not in answer.text


def test_a_large_request_is_refused_and_an_unknown_path_is_not_there(door: Door) -> None:
    if door.responder.process is None:
        door.begin()
    assert door.post("/autodiscover/autodiscover.xml", "x" * 100_000).status_code == 413
    assert door.post("/EWS/Exchange.asmx", "x").status_code == 404
    assert door.post("/healthz", method="GET").text == "ok\n"


def test_no_credentials_are_asked_for_and_nothing_private_is_logged(door: Door) -> None:
    door.begin(answers_itself=False, redirects_by_address=False)
    answer = door.post("/autodiscover/autodiscover.xml", POX.format("outlook", "anna@source.test", "o"))
    assert "WWW-Authenticate" not in answer.headers
    door.post("/autodiscover/autodiscover.xml", "x", Authorization="Basic aHVudGVyMjI=")
    logged = door.responder.log.read_text()
    assert "anna@" not in logged
    assert "aHVudGVy" not in logged


def test_a_killed_responder_is_told_and_comes_back_with_what_was_written(door: Door) -> None:
    actuator, anna = door.begin(), door.servers.redirections[:1]
    actuator.close(anna)
    door.responder.kill()
    with pytest.raises(
        ActuatorError, match=r"front_door.autodiscover, redirect: .*start it with `mailshadow front-door`"
    ):
        actuator.redirect(anna)
    door.responder.start()
    actuator.confirm(anna)
    actuator.redirect(anna)


def test_without_its_routes_a_responder_leads_nobody(door: Door) -> None:
    actuator, anna = door.begin(), door.servers.redirections[:1]
    door.responder.kill()
    (door.directory / "data/front-door/routes.json").unlink()
    door.responder.start()
    assert door.post("/readyz", method="GET").status_code == 503
    assert door.post("/autodiscover/autodiscover.xml", POX.format("outlook", "a@source.test", "o")).status_code == 503
    with pytest.raises(ActuatorError, match=r"routes.json is missing, and where mailboxes live is not guessed"):
        actuator.check(anna)


def test_of_several_copies_the_newest_is_the_truth_and_the_others_are_mended(door: Door, tmp_path: Path) -> None:
    door.begin()
    files = (door.directory / "data/front-door/routes.json", tmp_path / "two.json")
    write_routes(files[1], read_routes(files[0]))
    section = replace(door.section, route_files=files)
    actuator, anna = AutodiscoverActuator(section, Guide(door.settings, section)), door.servers.redirections[:1]
    route = Route(mailbox=mailbox_id("anna@source.test"), server="", address="")
    write_routes(files[1], read_routes(files[0]).changed([("anna@source.test", route)]))  # killed between the two
    with pytest.raises(ActuatorError, match=r"goes by version 1, not 2"):
        AutodiscoverActuator(replace(section, timeout_seconds=0.2), Guide(door.settings, section)).check(anna)
    actuator.close(anna)
    assert read_routes(files[0]) == read_routes(files[1])


def test_while_led_to_and_fro_no_client_is_led_anywhere_but_where_the_step_says(door: Door) -> None:
    actuator, anna = door.begin(answers_itself=True, redirects_by_address=False), door.servers.redirections[:1]
    asked, seen, stop = (
        "/autodiscover/autodiscover.json?Email=anna@source.test&Protocol=EWS",
        list[str](),
        threading.Event(),
    )

    def watch() -> None:
        while not stop.is_set():
            answer = door.post(asked, method="GET")
            seen.append(answer.json()["Url"] if answer.ok else "closed")

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(2):
        for step in (actuator.close, actuator.redirect, actuator.close, actuator.undo):
            step(anna)
            time.sleep(0.05)
    stop.set()
    watcher.join()
    urls = {server.connection.url for server in (door.servers.source, door.servers.target)}
    assert set(seen) == urls | {"closed"}
    changes = [b for a, b in pairwise(seen) if a != b]
    assert all({a, b} != urls for a, b in pairwise(changes)), "never from one server to the other"


def test_a_certificate_that_cannot_be_used_is_told(door: Door) -> None:
    assert ssl.HAS_TLSv1_3
    config = door.directory / "mailshadow.toml"
    text = config.read_text()
    config.write_text(text.replace('key_file = "both.pem"', 'key_file = "ca.pem"'))
    try:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            command(door.directory, "front-door")
    finally:
        config.write_text(text)
    assert caught.value.returncode == 78
    assert "both must be PEM, readable, and belong together" in caught.value.stderr
