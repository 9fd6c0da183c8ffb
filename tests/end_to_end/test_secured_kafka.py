"""Services log in to Kafka over TLS, each by another mechanism, and may do exactly what `topics acls` says."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # not in their __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from deploy import schema_registry, wiring
from deploy import settings as settings_file
from deploy.kafka_access import Principals, Resource, Right, rights_of
from deploy.lab.broker.access import Access
from deploy.lab.broker.ports import choose_port
from deploy.lab.certificates import Authority
from deploy.lab.world import PIPELINE, SOURCE, TARGET, World
from deploy.partition.reader import read_to_end
from schemas import framing
from schemas.ports import Incoming
from schemas.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Living = Any
TOPICS = Topics(PIPELINE, SOURCE)
PRINCIPALS = Principals(feed="User:feed", replays={TARGET: "User:replay"}, operator="User:operator")
RIGHTS = rights_of(TOPICS, PRINCIPALS)
SINGLE = [(r, o) for r in RIGHTS for o in r.operations if r.principal != PRINCIPALS.operator]
SAMPLE = [
    ("User:feed", TOPICS.changes, "WRITE"),
    ("User:replay", f"{TOPICS.replay_group(TARGET)}.", "WRITE"),
]
ONLY_IN_NEED = {
    ("User:replay", TOPICS.dead_letters(TARGET), "WRITE"),  # something is parked
    ("User:replay", TOPICS.dead_letters(TARGET), "READ"),  # something is redriven
    ("User:replay", TOPICS.orders(SOURCE), "WRITE"),  # content is wanted
    ("User:feed", TOPICS.changes, "READ"),  # a generation is begun anew, and finds the last one before it
    ("User:feed", TOPICS.target_state(TARGET), "READ"),  # the same
}
"""Rights that a round without trouble does not rest on."""
_LINE = re.compile(
    r"Principal = (\S+) is (Allowed|Denied) operation = (\S+) from host = \S+ on resource = "
    r"(\w+):(?:LITERAL|PREFIXED):(\S+) for request = (\S+)"
)
_KINDS = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
    Resource.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
    Resource.CLUSTER: ResourceType.BROKER,
}


def binding(right: Right, operation: str, kind: type = AclBinding) -> Any:
    pattern = ResourcePatternType.PREFIXED if right.is_prefix else ResourcePatternType.LITERAL
    return kind(
        _KINDS[right.resource],
        right.name,
        pattern,
        right.principal,
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )


class Tokens(BaseHTTPRequestHandler):
    """Gives an unsigned token to whoever knows the client's secret."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, _, login = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(login).decode().partition(":")
        if password != "token secret":
            self.send_error(401)
            return
        now = int(time.time())
        claims = {"sub": user, "iat": now, "exp": now + 3600, "scope": "kafka", "aud": "kafka"}
        parts = [
            base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in ({"alg": "none"}, claims)
        ]
        body = json.dumps({"access_token": ".".join([*parts, ""]), "token_type": "bearer", "expires_in": 3600}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass


@pytest.fixture(scope="module")
def token_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()


class Registry(BaseHTTPRequestHandler):
    """A schema registry as far as ours and Confluent's client go: register a schema, return one by its id."""

    schemas: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
        if text not in self.schemas:
            self.schemas.append(text)
        self._answer({"id": self.schemas.index(text) + 1, "version": 1, "schema": text})

    def do_GET(self) -> None:
        wanted = re.match(r"/schemas/ids/(\d+)", self.path)
        if wanted:
            self._answer({"schema": self.schemas[int(wanted[1]) - 1]})
        else:
            self._answer({"error_code": 404, "message": "not found"}, 404)

    def _answer(self, answer: dict[str, object], status: int = 200) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    framing.use_registry(None)
    server.shutdown()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def access(authority: Authority) -> Access:
    port = choose_port(random.SystemRandom())
    pair = authority.issue("broker")
    return Access(port=port, users={"operator": "operator secret"}, keystore=pair, truststore=authority.ca_file)


@pytest.fixture(scope="module")
def logins(authority: Authority, access: Access, token_url: str, registry_url: str) -> dict[str, dict[str, str]]:
    """The environment of each principal's processes: bootstrap servers, TLS with its certificate, its login."""
    folder = authority.ca_file.parent
    (folder / "feed.password").write_text("first secret\n")
    found = {}
    for name, mechanism, secret in (
        ("feed", "SCRAM-SHA-512", {"PASSWORD_FILE": folder / "feed.password"}),
        ("replay", "OAUTHBEARER", {"PASSWORD": "token secret", "TOKEN_URL": token_url}),
        ("operator", "PLAIN", {"PASSWORD": "operator secret"}),
    ):
        pair = authority.issue(name)
        tls = {"CA_FILE": authority.ca_file, "CERTIFICATE_FILE": pair, "KEY_FILE": pair}
        found[name] = {
            "MAILSHADOW_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{access.port}",
            **{f"MAILSHADOW_KAFKA__TLS__{n}": str(v) for n, v in tls.items()},
            "MAILSHADOW_KAFKA__SCHEMA_REGISTRY__URL": registry_url,
            "MAILSHADOW_KAFKA__SASL__MECHANISM": mechanism,
            "MAILSHADOW_KAFKA__SASL__USER": name,
            **{f"MAILSHADOW_KAFKA__SASL__{n}": str(v) for n, v in secret.items()},
        }
    return found


@pytest.fixture(scope="module")
def prepare(logins: dict[str, dict[str, str]]) -> Callable[[World], None]:
    def do(world: World) -> None:
        wiring.prepare_topics(settings_file.load(world.config, {}))
        schema_registry.adopt(settings_file.load(world.config, logins["operator"]))  # to read where it stands
        admin = AdminClient({"bootstrap.servers": world.broker.bootstrap_servers})
        set_password(admin, "first secret")
        settle(admin.create_acls([binding(r, o) for r in RIGHTS for o in r.operations]))
        world.feed.environment |= logins["feed"]
        world.replay.environment |= logins["replay"]

    return do


def settle(futures: dict[Any, Any]) -> None:
    for future in futures.values():
        future.result(20)


def set_password(admin: AdminClient, password: str) -> None:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    settle(admin.alter_user_scram_credentials([UserScramCredentialUpsertion("feed", info, password.encode())]))


def access_log(living: Living) -> list[tuple[str, ...]]:
    """Return what the authorizer said: principal, verdict, operation, kind, name, request."""
    log: Path = living.world.broker.server_log
    files = sorted(log.parent.glob(f"{log.name}*"))
    return [m.groups() for f in files for m in _LINE.finditer(f.read_text("utf-8", "replace"))]


def restart_without_caches(living: Living) -> None:
    """Start both services so that they restore everything from Kafka."""
    living.world.stop_services()
    shutil.rmtree(living.world.options.directory / "data" / "state")
    living.world.start_services()
    living.put(living.mail())
    living.await_level()


def test_a_round_works_with_exactly_these_rights_and_nothing_is_refused(living: Living) -> None:
    living.put(living.mail())
    living.await_level()
    assert living.compare().is_clean
    refused = {e for e in access_log(living) if e[1] == "Denied"}
    assert not refused, refused


def test_every_right_of_a_service_is_used_or_its_use_is_named(living: Living) -> None:
    """A DESCRIBE, READ or WRITE that no request of a whole round rested on would be one too many."""
    restart_without_caches(living)
    kinds = {"Topic": "topic", "Group": "group", "TransactionalId": "transactional-id", "Cluster": "cluster"}
    used = {(who, kinds[kind], name, operation) for who, _, operation, kind, name, _ in access_log(living)}
    unused = []
    for right, operation in SINGLE:
        implied = {operation, "DESCRIBE"} if operation == "DESCRIBE" else {operation}
        names = {n for w, k, n, o in used if w == right.principal and k == right.resource and o in implied}
        if not any(n.startswith(right.name) if right.is_prefix else n == right.name for n in names):
            unused.append((right.principal, right.name, operation))
    assert set(unused) <= ONLY_IN_NEED, set(unused) - ONLY_IN_NEED


@pytest.mark.parametrize(
    ("right", "operation"),
    [
        pytest.param(r, o, id=f"{r.principal[5:]}-{o}-{r.name}")
        for r, o in SINGLE
        if (r.principal, r.name, o) in SAMPLE
        or (os.environ.get("MAILSHADOW_ALL_ACLS") and (r.principal, r.name, o) not in ONLY_IN_NEED)
    ],
)
def test_without_a_single_right_nothing_arrives_and_with_it_everything_does(
    living: Living, right: Right, operation: str
) -> None:
    child = living.world.feed if right.principal == PRINCIPALS.feed else living.world.replay
    admin = AdminClient({"bootstrap.servers": living.world.broker.bootstrap_servers})
    before = len(living.inbox())

    def refused() -> int:
        return len([e for e in access_log(living) if e[:2] == (right.principal, "Denied")])

    child.stop()
    settle(admin.delete_acls([binding(right, operation, AclBindingFilter)]))
    try:
        known = refused()
        child.start()
        living.put(living.mail())
        deadline = time.monotonic() + 60
        while refused() == known and time.monotonic() < deadline:
            time.sleep(0.2)
        assert refused() > known
        time.sleep(2.0)
        assert len(living.inbox()) == before
    finally:
        settle(admin.create_acls([binding(right, operation)]))
    if not child.is_running:  # it had said that it can't see a topic, and ended
        child.stop()
        child.start()
    living.await_level()
    assert len(living.inbox()) == before + 1


def test_a_password_that_is_rotated_is_taken_up_without_a_restart(living: Living, authority: Authority) -> None:
    """All clients are made anew, and Kafka lets new ones in with the new password only."""
    feed = living.world.feed
    pid, log = feed.pid, living.world.options.directory / "feed.log"
    set_password(AdminClient({"bootstrap.servers": living.world.broker.bootstrap_servers}), "second secret")
    (authority.ca_file.parent / "feed.password").write_text("second secret\n")
    living.await_true(lambda: "joining again" in log.read_text("utf-8", "replace"))
    living.put(living.mail())
    living.await_level()
    assert feed.pid == pid


def test_every_record_carries_an_id_of_the_registry_and_another_tool_decodes_it(
    living: Living, registry_url: str
) -> None:
    connection = wiring.kafka_settings(settings_file.load(living.world.config, {}))
    read = AvroDeserializer(SchemaRegistryClient({"url": registry_url}))
    kinds: set[str] = set()
    for topic in (TOPICS.changes, TOPICS.mailboxes, TOPICS.target_state(TARGET)):
        for number in range(connection.partition_count):
            for record in read_to_end(connection, topic, number, None, lambda: True):
                if isinstance(record, Incoming) and record.value:
                    found = read(record.value, SerializationContext(topic, MessageField.VALUE))
                    assert isinstance(found, dict)
                    kinds.add(topic)
    assert len(kinds) == 3


def test_an_operator_reads_orders_and_checks_with_rights_of_his_own(
    living: Living, logins: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in logins["operator"].items():
        monkeypatch.setenv(name, value)
    living.run("status")
    living.run("topics")
    living.run("check")
    living.run("mailboxes", "resync", living.users[0].address)
    living.run("dead-letters", "list")
    refused = {e for e in access_log(living) if e[1] == "Denied" and e[0] == PRINCIPALS.operator}
    assert not refused, refused
