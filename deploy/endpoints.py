"""/metrics, /healthz and /readyz of a process, on 127.0.0.1 or the address given."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

Answer = Iterable[bytes]


class PortInUseError(Exception):
    """The port of /metrics can't be opened."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
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
        host: str = "127.0.0.1",
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._checks = {"/healthz": is_healthy, "/readyz": is_ready}
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            raise PortInUseError(
                f"port {port} on {host}: {error.strerror}; another process has it, or set another metrics_port"
            ) from error
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="endpoints", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            answer: Answer = self._metrics(environ, start_response)
            return answer
        check = self._checks.get(path)
        if check is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics, /healthz, /readyz\n"]
        is_good = check()
        start_response("200 OK" if is_good else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok\n" if is_good else b"not now\n"]
