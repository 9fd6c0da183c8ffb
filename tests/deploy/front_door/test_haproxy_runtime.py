"""What no well HAProxy says: answers of a socket that lies."""

import socket
import threading

import pytest

from deploy.front_door.haproxy_runtime import HaproxyRuntime, RuntimeApiError


def test_a_map_that_does_not_hold_what_was_given_is_no_success() -> None:
    answers = {"prepare": b"New version created: 3\n", "add": b"\n", "commit": b"\n", "show": b"0x1 anna other\n"}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def speak() -> None:
            for _ in range(4):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(answers[connection.recv(65536).decode().split()[0]])

        threading.Thread(target=speak, daemon=True).start()
        runtime = HaproxyRuntime(f"127.0.0.1:{listener.getsockname()[1]}", 5)
        with pytest.raises(RuntimeApiError, match=r"m holds 1 entries that are not those given"):
            runtime.replace_map("m", {"anna": "standby"})
