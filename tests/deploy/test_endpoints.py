"""/metrics, /healthz and /readyz."""

import base64
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from deploy.endpoints import Endpoints, Guard, PortInUseError
from deploy.lab.certificates import Authority


class Health:
    def __init__(self) -> None:
        self.is_healthy = True
        self.is_ready = False


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def endpoints(health: Health) -> Iterator[Endpoints]:
    registry = CollectorRegistry()
    Counter("mailshadow_seen_total", "Seen.", registry=registry).inc(3)
    served = Endpoints(registry, lambda: health.is_healthy, lambda: health.is_ready, 0)
    yield served
    served.close()


def _get(endpoints: Endpoints, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoints.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_metrics_are_those_of_the_registry(endpoints: Endpoints) -> None:
    status, text = _get(endpoints, "/metrics")
    assert status == 200
    assert "mailshadow_seen_total 3.0" in text


def test_health_and_readiness_are_asked_at_each_request(endpoints: Endpoints, health: Health) -> None:
    assert _get(endpoints, "/healthz")[0] == 200
    assert _get(endpoints, "/readyz")[0] == 503
    health.is_healthy, health.is_ready = False, True
    assert _get(endpoints, "/healthz")[0] == 503
    assert _get(endpoints, "/readyz")[0] == 200


def test_any_other_path_is_answered_with_those_there_are(endpoints: Endpoints) -> None:
    assert _get(endpoints, "/") == (404, "/metrics, /healthz, /readyz\n")


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)):
            Endpoints(CollectorRegistry(), lambda: True, lambda: True, port)


def status(url: str, *, login: str = "", context: ssl.SSLContext | None = None) -> int:
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:  # noqa: S310 - as above
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_metrics_ask_for_user_and_password_and_the_probes_do_not(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("one\n")
    guard = Guard(user="prometheus", password="one", password_file=secret)
    endpoints = Endpoints(CollectorRegistry(), lambda: True, lambda: True, 0, guard)
    base = f"http://127.0.0.1:{endpoints.port}"
    assert [status(f"{base}{path}") for path in ("/metrics", "/healthz", "/readyz")] == [401, 200, 200]
    assert status(f"{base}/metrics", login="prometheus:one") == 200
    assert status(f"{base}/metrics", login="prometheus:two") == 401
    secret.write_text("two\n")
    assert status(f"{base}/metrics", login="prometheus:two") == 200
    endpoints.close()


def test_a_certificate_makes_everything_tls_and_a_silent_connection_stops_nobody(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("metrics")
    guard = Guard(certificate_file=pair, key_file=pair)
    endpoints = Endpoints(CollectorRegistry(), lambda: True, lambda: True, 0, guard)
    with socket.create_connection(("127.0.0.1", endpoints.port)):
        trust = ssl.create_default_context(cafile=authority.ca_file)
        assert status(f"https://127.0.0.1:{endpoints.port}/metrics", context=trust) == 200
    endpoints.close()
