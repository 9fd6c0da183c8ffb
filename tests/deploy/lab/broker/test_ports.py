"""Ports of the embedded Kafka."""

import random
import socket

import pytest

from deploy.lab.broker import ports
from deploy.lab.broker.ports import HOST, PORT_FIRST, PORT_LAST, PortError, choose_port, is_answered, is_free


def chance(seed: int) -> random.Random:
    return random.Random(seed)


def listening_socket() -> socket.socket:
    listener = socket.socket()
    listener.bind((HOST, 0))
    listener.listen()
    return listener


def test_a_port_somebody_listens_on_is_answered_and_not_free() -> None:
    with listening_socket() as listener:
        port = listener.getsockname()[1]
        assert is_answered(port)
        assert not is_free(port)
    assert not is_answered(port)
    assert is_free(port)


def test_a_chosen_port_is_free_and_no_outgoing_connection_can_be_given_it() -> None:
    port = choose_port(chance(1))
    assert PORT_FIRST <= port <= PORT_LAST < 32_768
    assert is_free(port)


def test_a_taken_port_is_not_chosen() -> None:
    first = choose_port(chance(2))
    assert choose_port(chance(2), taken=frozenset({first})) != first


def test_no_free_port_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening_socket() as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(ports, "PORT_FIRST", port)
        monkeypatch.setattr(ports, "PORT_LAST", port)
        with pytest.raises(PortError, match="all in use"):
            choose_port(chance(3))
