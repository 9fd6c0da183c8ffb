"""Threads share sessions, each used by one at a time; a failed call gives its session back too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from deploy.exchange import ServerSettings, Session
from deploy.session_pool import SessionPool
from deploy.throttle import Throttle
from schemas.ews import distinguished_ref
from schemas.metrics import SessionMetrics
from schemas.ports import CallRefused

from .conftest import MAILBOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.lab.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
FOLDER = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    f"<m:FolderIds>{distinguished_ref('inbox')}</m:FolderIds></m:GetFolder>"
)


class Opened(SessionPool):
    """A pool that counts what it opens."""

    def __init__(self, settings: ServerSettings, throttle: Throttle) -> None:
        self.opened = 0
        metrics = SessionMetrics(CollectorRegistry())

        def connect() -> Session:
            self.opened += 1
            return Session(settings, throttle, metrics)

        super().__init__(connect)


@pytest.fixture
def pool(faulty: ExchangeProcess) -> Iterator[Opened]:
    found = faulty.connection
    settings = ServerSettings(name="mail", url=found.url, user=found.user, password=found.password, version="2013")
    opened = Opened(settings, Throttle(3))
    yield opened
    opened.close()


def test_calls_one_after_another_use_one_connection_and_learn_the_servers_version(pool: Opened) -> None:
    before = pool.server_version
    for _ in range(5):
        assert pool.call("GetFolder", MAILBOX, FOLDER, 1).messages[0].is_done
    assert pool.opened == 1
    assert pool.server_version != before
    assert pool.server_version.startswith("15.2")


def test_threads_open_no_more_connections_than_there_are_calls_at_once(pool: Opened, faulty: ExchangeProcess) -> None:
    faulty.add_fault("GetFolder", "delay_before", seconds=0.1, count=20)
    with ThreadPoolExecutor(6) as threads:
        done = [threads.submit(pool.call, "GetFolder", MAILBOX, FOLDER, 1) for _ in range(20)]
        assert all(d.result().messages[0].is_done for d in done)
    assert 1 < pool.opened <= 6


def test_a_refused_call_gives_its_session_back(pool: Opened, faulty: ExchangeProcess) -> None:
    faulty.add_fault("GetFolder", "error_fault", code="ErrorInternalServerError", count=3)
    for _ in range(3):
        with pytest.raises(CallRefused):
            pool.call("GetFolder", MAILBOX, FOLDER, 1)
    assert pool.call("GetFolder", MAILBOX, FOLDER, 1).messages[0].is_done
    assert pool.opened == 1
