"""TCP ports of 127.0.0.1 for the embedded Kafka."""

import random
import socket

HOST = "127.0.0.1"
# Below the range from which systems choose ports of outgoing connections (Linux 32768, IANA 49152): a client
# that reconnects while the broker is down could otherwise be given the broker's own port, and keep it.
PORT_FIRST = 12_000
PORT_LAST = 32_000
PORT_ATTEMPTS = 200


class PortError(Exception):
    """A port is in use, or none is free."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As Java's server sockets do: a connection that is merely ending (TIME_WAIT) doesn't hold the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
        return True


def is_answered(port: int) -> bool:
    """Tell whether something accepts connections on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        return client.connect_ex((HOST, port)) == 0


def choose_port(chance: random.Random, *, taken: frozenset[int] = frozenset()) -> int:
    """Choose a free port outside the range of outgoing connections; raises PortError where none is found."""
    for _ in range(PORT_ATTEMPTS):
        port = chance.randint(PORT_FIRST, PORT_LAST)
        if port not in taken and is_free(port):
            return port
    raise PortError(f"{PORT_ATTEMPTS} ports of {HOST} between {PORT_FIRST} and {PORT_LAST} are all in use.")
