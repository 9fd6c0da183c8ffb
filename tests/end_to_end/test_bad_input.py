"""Bad input of the services: one clear line that says where and what to do, a named exit code, nothing lost."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy import exit_codes
from deploy.kafka import KafkaSettings, ensure_topics
from deploy.lab.comparison.comparison import compare
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession
from deploy.lab.workload.filling import Filling
from deploy.lab.workload.generator import Generator
from schemas.topics import Topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SOURCE, TARGET = "anna@source.test", "anna@target.test"
SECONDS_MAX = 60.0


class Servers:
    """Two simulated servers and the settings that name them."""

    def __init__(self, directory: Path, kafka: str, pipeline: str) -> None:
        self.directory = directory
        self.kafka = kafka
        self.pipeline = pipeline
        self.source = ExchangeProcess(directory / "source", version="2013", mailboxes=[SOURCE])
        self.target = ExchangeProcess(directory / "target", version="2019", mailboxes=[TARGET])

    def settings(self, **changed: str) -> Path:
        """Write a settings file with some values replaced."""
        source, target = self.source.connection, self.target.connection
        values = {
            "kafka": self.kafka,
            "source_url": source.url,
            "target_url": target.url,
            "source_password": source.password,
            "target_password": target.password,
            "mailbox": SOURCE,
            "partition_count": "4",
            "feed": "",
        } | changed
        path = self.directory / "mailshadow.toml"
        path.write_text(
            f"""
[pipeline]
name = "{self.pipeline}"
data_directory = "{self.directory / "data"}"
[kafka]
bootstrap_servers = "{values["kafka"]}"
partition_count = {values["partition_count"]}
[source]
name = "source"
url = "{values["source_url"]}"
user = "{source.user}"
password = "{values["source_password"]}"
version = "2013"
[targets.standby]
url = "{values["target_url"]}"
user = "{target.user}"
password = "{values["target_password"]}"
version = "2019"
[feed]
poll_interval_seconds = 1
heartbeat_seconds = 1
{values["feed"]}
[[mailboxes]]
source = "{values["mailbox"]}"
targets = {{ standby = "{TARGET}" }}
"""
        )
        return path


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, kafka: str) -> Iterator[Servers]:
    both = Servers(tmp_path_factory.mktemp("bad"), kafka, f"bad{os.getpid()}")
    with both.source, both.target:
        both.source.start()
        both.target.start()
        yield both


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)  # noqa: S603


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _assert_said(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("mailshadow: ")
    assert all(word in last for word in words), last
    assert "Traceback" not in done.stderr


CASES: list[Any] = [
    (("feed",), {"kafka": "127.0.0.1:1"}, exit_codes.KAFKA_UNREACHABLE, ("127.0.0.1:1", "kafka.bootstrap_servers")),
    (("feed",), {"source_url": "http://127.0.0.1:1/EWS/Exchange.asmx"}, exit_codes.SOURCE_UNREACHABLE, ("url",)),
    (
        ("replay", "--target", "standby"),
        {"target_url": "http://127.0.0.1:1/EWS/Exchange.asmx"},
        exit_codes.TARGET_UNREACHABLE,
        ("url",),
    ),
    (("feed",), {"source_password": "wrong"}, exit_codes.NOT_ALLOWED, ("password", "[source]")),
    (("replay", "--target", "standby"), {"target_password": "wrong"}, exit_codes.NOT_ALLOWED, ("password",)),
    (("feed",), {"mailbox": "nobody@source.test"}, exit_codes.NO_MAILBOX, ("nobody@source.test", "[[mailboxes]]")),
    (("replay", "--target", "elsewhere"), {}, exit_codes.SETTINGS, ("elsewhere", "standby")),
]


@pytest.mark.parametrize(("command", "changed", "code", "words"), CASES)
def test_what_cannot_be_used_is_said_before_anything_starts(
    servers: Servers, command: tuple[str, ...], changed: dict[str, str], code: int, words: tuple[str, ...]
) -> None:
    config = servers.settings(**changed)
    _assert_said(_run(*command, "--config", config), code, *words)


def test_a_partition_count_other_than_the_recorded_one_is_refused(servers: Servers) -> None:
    topics = Topics(servers.pipeline, "source")
    connection = KafkaSettings(bootstrap_servers=servers.kafka, partition_count=4)
    ensure_topics(connection, topics.catalogue(("standby",), 4))
    config = servers.settings(partition_count="8")
    for command in (("feed",), ("replay", "--target", "standby"), ("topics",)):
        _assert_said(_run(*command, "--config", config), exit_codes.TOPIC_MISMATCH, "4 partitions", "8")


def test_a_metrics_port_in_use_is_said(servers: Servers) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = servers.settings(feed=f"metrics_port = {taken.getsockname()[1]}")
        _assert_said(_run("feed", "--config", config), exit_codes.IN_USE, "metrics_port")


def test_check_says_each_failure_with_what_mends_it(servers: Servers) -> None:
    config = servers.settings(target_password="wrong")
    done = _run("check", "--config", config)
    assert done.returncode == exit_codes.NOT_ALLOWED
    (failed,) = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert "ApplicationImpersonation" in failed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    directory = tmp_path / "small"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603
        pytest.skip("only root can make a small file system")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)  # noqa: S603, S607 - what was mounted above


def test_a_full_spool_stops_the_feed_and_loses_nothing(servers: Servers, small_disk: Path) -> None:
    source = servers.source.connection
    target = servers.target.connection
    at_source = ServerAddress(url=source.url, user=source.user, password=source.password, version="2013")
    at_target = ServerAddress(url=target.url, user=target.user, password=target.password, version="2019")
    session = UserSession(at_source)
    filling = Filling(session, [SOURCE], lambda _: None)
    for mail in Generator(5, (SOURCE,)).mails(0, 10):
        filling.add(mail)
    filling.flush()
    _put_large(session, 6_000_000)

    config = servers.settings(feed=f'spool_directory = "{small_disk}"')
    _assert_said(_run("feed", "--config", config), exit_codes.DISK, str(small_disk), "feed.spool_directory")

    config = servers.settings()
    services = [("feed",), ("replay", "--target", "standby")]
    processes = [
        subprocess.Popen([sys.executable, "-m", "deploy", *s, "--config", str(config)], stderr=subprocess.DEVNULL)  # noqa: S603
        for s in services
    ]
    try:
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            found = compare(at_source, at_target, [(SOURCE, TARGET)])
            if (found.is_clean and found.items_source == 11) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        assert found.is_clean, found
        assert found.identical == found.items_source == 11
    finally:
        for process in processes:
            process.terminate()
        assert [process.wait(30) for process in processes] == [0, 0]


def _put_large(session: UserSession, size_bytes: int) -> None:
    import base64  # noqa: PLC0415 - used here only

    mime = b"From: a@x.test\r\nTo: b@x.test\r\nSubject: large\r\nMessage-ID: <large@x.test>\r\n"
    mime += b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nContent-Type: text/plain\r\n\r\n"
    mime += (b"0123456789" * 7 + b"\r\n") * (size_bytes // 72)
    session.one(
        "CreateItem",
        SOURCE,
        '<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId><t:DistinguishedFolderId Id="inbox"/>'
        "</m:SavedItemFolderId><m:Items><t:Message><t:MimeContent>"
        f"{base64.b64encode(mime).decode()}</t:MimeContent><t:ExtendedProperty>"
        '<t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/><t:Value>0</t:Value>'
        "</t:ExtendedProperty></t:Message></m:Items></m:CreateItem>",
    )
