"""Sessions with one server for the threads of one worker: a call takes an idle one, or opens another."""

import threading
from collections.abc import Callable

from deploy.exchange import Session
from schemas.ports import Answers


class SessionPool:
    """`schemas.ports.EwsSession` for several threads; as many connections as there ever were calls at once."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._first = connect()
        self._idle = [self._first]

    @property
    def server_version(self) -> str:
        """The version the server said, or is configured as until the first answer."""
        return self._first.server_version

    def call(self, operation: str, mailbox: str, body: str, expected: int | None = None) -> Answers:
        """Call through a session that nobody uses; raises what `Session.call` raises."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
        session = session or self._connect()
        try:
            answers = session.call(operation, mailbox, body, expected)
        finally:
            with self._lock:
                self._idle.append(session)
        self._first.server_version = session.server_version
        return answers

    def close(self) -> None:
        """Close every connection; no call may be under way."""
        with self._lock:
            for session in self._idle:
                session.close()
            self._idle.clear()
