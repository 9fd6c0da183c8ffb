"""/metrics, /healthz and /readyz of a process, on 127.0.0.1 or the address given; /metrics may ask who reads it."""

import base64
import binascii
import hmac
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from deploy.secret import current

Answer = Iterable[bytes]


class PortInUseError(Exception):
    """The port of /metrics can't be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Where the endpoints listen, who may read /metrics (no user: everybody), and the certificate that makes it TLS."""

    address: str = "127.0.0.1"
    user: str = ""
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def admits(self, header: str) -> bool:
        """Tell whether an Authorization header names the user; the password is that of this moment."""
        if not self.user:
            return True
        wanted = f"{self.user}:{current(self.password_file, self.password)}".encode()
        scheme, _, encoded = header.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10.0
    """In seconds; a connection that says nothing for so long is closed."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: scrapes are not news."""


class Endpoints:
    """Serves the three paths on a thread until closed."""

    def __init__(
        self,
        registry: CollectorRegistry,
        is_healthy: Callable[[], bool],
        is_ready: Callable[[], bool],
        port: int,
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard or Guard()
        host = self._guard.address
        self._metrics = make_wsgi_app(registry)
        self._checks = {"/healthz": is_healthy, "/readyz": is_ready}
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            raise PortInUseError(
                f"port {port} on {host}: {error.strerror}; another process has it, or set another metrics_port"
            ) from error
        if self._guard.certificate_file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._guard.certificate_file, self._guard.key_file)
            # each connection shakes hands on its own thread: one that never does so must not stop the others
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="endpoints", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            if not self._guard.admits(environ.get("HTTP_AUTHORIZATION", "")):
                challenge = ("WWW-Authenticate", 'Basic realm="mailshadow"')
                start_response("401 Unauthorized", [("Content-Type", "text/plain"), challenge])
                return [b"user and password of [metrics] are needed\n"]
            answer: Answer = self._metrics(environ, start_response)
            return answer
        check = self._checks.get(path)
        if check is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics, /healthz, /readyz\n"]
        is_good = check()
        start_response("200 OK" if is_good else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok\n" if is_good else b"not now\n"]
