"""Each way a link can be unkind, seen from both ends over real sockets."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.lab.chaos.proxy import HOST, Link, Proxy
from deploy.lab.chaos.weather import Direction, HeldRequest

MOVE = "<s:Body><m:MoveItem/></s:Body>"
GET = "<s:Body><m:GetItem/></s:Body>"


class Heard(ThreadingHTTPServer):
    """A server that remembers which whole bodies it got, and answers each with itself."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.bodies: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length).decode()
        if len(body) < length:
            return  # the connection broke in the middle, and no server takes half a request for one
        assert isinstance(self.server, Heard)
        self.server.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Heard]:
    with Heard() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def link(proxy: Proxy, server: Heard) -> Link:
    return proxy.link("replay>standby", server.server_port, is_exchange=True)


def post(link: Link, body: str, timeout_seconds: float = 5.0) -> str:
    connection = http.client.HTTPConnection(HOST, link.port, timeout=timeout_seconds)
    with contextlib.closing(connection):
        connection.request("POST", "/EWS/Exchange.asmx", body)
        return connection.getresponse().read().decode()


def test_a_fair_link_passes_requests_and_answers(link: Link, server: Heard) -> None:
    assert post(link, MOVE) == MOVE
    assert post(link, "x" * 300_000) == "x" * 300_000
    assert len(server.bodies) == 2


def test_a_cut_link_refuses_and_comes_back_on_the_same_port(link: Link) -> None:
    port = link.port
    link.cut()
    with pytest.raises(ConnectionRefusedError):
        post(link, MOVE)
    link.mend()
    assert link.port == port
    assert post(link, MOVE) == MOVE


def test_what_waits_at_a_frozen_link_arrives_after_its_sender_is_gone(link: Link, server: Heard) -> None:
    link.freeze(Direction.TO_SERVER)
    with pytest.raises(TimeoutError):
        post(link, MOVE, timeout_seconds=0.3)
    assert not server.bodies
    link.mend()
    await_bodies(server, [MOVE])


def test_what_waits_at_a_frozen_link_can_be_lost(link: Link, server: Heard) -> None:
    link.freeze(Direction.TO_SERVER)
    with pytest.raises(TimeoutError):
        post(link, MOVE, timeout_seconds=0.3)
    link.mend(drops_waiting=True)
    assert post(link, GET) == GET
    assert server.bodies == [GET]


def test_a_link_frozen_towards_the_client_lets_the_server_do_what_it_never_answers(link: Link, server: Heard) -> None:
    link.freeze(Direction.TO_CLIENT)
    with pytest.raises(TimeoutError):
        post(link, MOVE, timeout_seconds=0.5)
    assert server.bodies == [MOVE]


def test_a_held_request_reaches_the_server_only_when_it_is_delivered(link: Link, server: Heard) -> None:
    held: list[HeldRequest] = []
    link.hold(frozenset({"MoveItem"}), 1, held.append)
    assert post(link, GET) == GET
    with pytest.raises(TimeoutError):
        post(link, MOVE, timeout_seconds=0.3)
    assert server.bodies == [GET]
    assert [one.operation for one in held] == ["MoveItem"]
    assert link.deliver(held[0]) == "HTTP/1.1 200 OK"
    assert server.bodies == [GET, MOVE]
    link.mend()
    assert post(link, MOVE) == MOVE


def test_the_sender_of_a_held_request_can_be_told_that_it_is_lost(link: Link, server: Heard) -> None:
    held: list[HeldRequest] = []
    taken = threading.Event()

    def on_held(request: HeldRequest) -> None:
        held.append(request)
        taken.set()

    link.hold(frozenset({"MoveItem"}), 1, on_held)

    def drop() -> None:
        if taken.wait(5.0):
            link.reset()

    threading.Thread(target=drop, daemon=True).start()
    with pytest.raises(ConnectionError):
        post(link, MOVE)
    assert not server.bodies


def test_a_link_that_breaks_after_bytes_breaks_in_the_middle_of_a_message(link: Link, server: Heard) -> None:
    link.break_after(2_000)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        post(link, "x" * 10_000)
    assert "x" * 10_000 not in server.bodies
    link.mend()
    assert post(link, GET) == GET


def test_a_slow_link_delays_both_ways(link: Link) -> None:
    link.slow(0.2)
    began = time.monotonic()
    assert post(link, GET) == GET
    assert time.monotonic() - began >= 0.4


def test_a_link_that_hides_closing_keeps_the_servers_end_open(proxy: Proxy) -> None:
    with socket.create_server((HOST, 0)) as listening:
        link = proxy.link("feed>kafka", listening.getsockname()[1], is_exchange=False)
        link.hide_closing()
        with socket.create_connection((HOST, link.port)) as client:
            client.sendall(b"hello")
            accepted, _ = listening.accept()
            assert accepted.recv(100) == b"hello"
        with accepted:
            accepted.settimeout(0.3)
            with pytest.raises(TimeoutError):
                accepted.recv(100)
            link.mend()
            accepted.settimeout(5.0)
            assert accepted.recv(100) == b""


def test_a_half_closed_connection_still_passes_the_other_way(proxy: Proxy) -> None:
    with socket.create_server((HOST, 0)) as listening:
        link = proxy.link("feed>kafka", listening.getsockname()[1], is_exchange=False)
        with socket.create_connection((HOST, link.port)) as client:
            client.settimeout(5.0)
            client.sendall(b"hello")
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.recv(100) == b"hello"
                link.half_close(Direction.TO_SERVER)
                assert accepted.recv(100) == b""
                accepted.sendall(b"still here")
                assert client.recv(100) == b"still here"


def await_bodies(server: Heard, expected: list[str]) -> None:
    deadline = time.monotonic() + 5.0
    while server.bodies != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.bodies == expected


END_TRANSACTION = bytes(4) + (26).to_bytes(2, "big") + b" end"
PRODUCE = bytes(4) + (0).to_bytes(2, "big") + b" produce"


@pytest.fixture
def kafka() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(5.0)
        yield listening


def test_what_ends_a_transaction_passes_and_its_answer_does_not(proxy: Proxy, kafka: socket.socket) -> None:
    link = proxy.link("feed>kafka", kafka.getsockname()[1], is_exchange=False)
    link.shut_at_commit(Direction.TO_CLIENT)
    with socket.create_connection((HOST, link.port)) as client, kafka.accept()[0] as broker:
        client.settimeout(0.3)
        for request, is_answered in ((PRODUCE, True), (END_TRANSACTION, False)):
            client.sendall(request)
            assert broker.recv(100) == request
            broker.sendall(b"done")
            if is_answered:
                assert client.recv(100) == b"done"
            else:
                with pytest.raises(TimeoutError):
                    client.recv(100)


def test_what_ends_a_transaction_can_be_lost_on_its_way(proxy: Proxy, kafka: socket.socket) -> None:
    link = proxy.link("feed>kafka", kafka.getsockname()[1], is_exchange=False)
    link.shut_at_commit(Direction.TO_SERVER)
    with socket.create_connection((HOST, link.port)) as client, kafka.accept()[0] as broker:
        broker.settimeout(0.3)
        client.sendall(PRODUCE)
        assert broker.recv(100) == PRODUCE
        client.sendall(END_TRANSACTION)
        with pytest.raises(TimeoutError):
            broker.recv(100)
        link.mend(drops_waiting=True)
        assert broker.recv(100) == b""
