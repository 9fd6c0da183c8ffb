"""The front door of the demonstration: our own Autodiscover responder, and a client that knows its domain's name only.

Client, responder and name server are real and stay as they are for the whole run; what a promotion changes is the file
of routes that the responder goes by. The name of the responder's host is the only thing the client's machine is told.
"""

import json
import os
import socket
import subprocess
import sys
import time
from typing import Any

from deploy.lab.broker.guard import die_with_parent
from deploy.lab.certificates import Authority
from deploy.lab.child import Child, ChildError
from deploy.lab.haproxy import free_port
from deploy.lab.names import Names
from deploy.lab.world import PASSWORD, USER, World

HOST = "autodiscover.source.test"
_CLIENT_SECONDS_MAX = 90.0
_COMMAND_SECONDS_MAX = 30.0
_LOOK_SECONDS = 0.05


class FrontDoor:
    """A responder in a process of its own, a name server, and what a client needs to find both."""

    def __init__(self, world: World) -> None:
        """Make the certificates, and add the front door to the settings the world will write."""
        self._directory = world.options.directory / "front-door"
        authority = Authority(self._directory)
        self._ca_file = authority.ca_file
        pair = json.dumps(str(authority.issue("responder", (HOST,)).absolute()))
        self._port = free_port()
        self._config = world.config
        world.further_settings = (
            f"\n[front_door.autodiscover]\ncertificate_file = {pair}\nkey_file = {pair}\n"
            f"ca_file = {json.dumps(str(self._ca_file.absolute()))}\nport = {self._port}\nanswers_itself = true\n"
            f'responders = ["https://127.0.0.1:{self._port}"]\n'
        )
        self._responder = Child(
            "front door", ["front-door", "--config", str(self._config)], world.options.directory / "front-door.log"
        )
        self._names: Names | None = None

    def start(self) -> None:
        """Write the first routes and serve them; the settings must be written. Raises ChildError."""
        begin = [sys.executable, "-m", "deploy", "front-door", "begin", "--config", str(self._config)]
        done = subprocess.run(  # noqa: S603 - our own command
            begin, capture_output=True, text=True, timeout=_COMMAND_SECONDS_MAX, check=False
        )
        if done.returncode:
            raise ChildError(f"The front door has no routes: {done.stderr.strip()}")
        self._names = Names([HOST])
        self._responder.start()
        deadline = time.monotonic() + _COMMAND_SECONDS_MAX
        while not self._answers():
            self._responder.require_running()
            if time.monotonic() > deadline:
                raise ChildError(f"The front door does not answer. Its last words:\n{self._responder.last_words()}")
            time.sleep(_LOOK_SECONDS)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def client(self, address: str, *, writing: str = "") -> dict[str, Any]:
        """Let a client look for its mailbox and read its newest message, or write one first; return what it found."""
        names = self._names
        if names is None:
            raise ChildError("The front door was not started.")
        asked = [address, "--user", USER, "--newest", *(["--write", writing] if writing else [])]
        done = subprocess.run(  # noqa: S603 - our own client
            [sys.executable, "-m", "deploy.lab.client", *asked],
            capture_output=True,
            text=True,
            timeout=_CLIENT_SECONDS_MAX,
            check=False,
            env=os.environ | self._surroundings(names),
        )
        if done.returncode:
            raise ChildError(f"The client ended with code {done.returncode}: {done.stderr[-500:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def following(self, address: str) -> "subprocess.Popen[str]":
        """Start a client that says where its mailbox is, and once more when another server answers and at what time."""
        names = self._names
        if names is None:
            raise ChildError("The front door was not started.")
        client = subprocess.Popen(  # noqa: S603 - our own client
            [sys.executable, "-m", "deploy.lab.client", address, "--user", USER, "--follow"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | self._surroundings(names),
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call, which takes no lock
        )
        said = client.stdout.readline() if client.stdout else ""
        if "url" not in json.loads(said or "{}"):
            raise ChildError(f"The client of the front door found nobody: {said.strip()}")
        return client

    def _surroundings(self, names: Names) -> dict[str, str]:
        kept = self._directory / "client"
        kept.mkdir(exist_ok=True)
        return {
            "PORTS": json.dumps({HOST: self._port}),
            "DNS_PORT": str(names.port),
            "REQUESTS_CA_BUNDLE": str(self._ca_file),
            "TMPDIR": str(kept),
            "CLIENT_PASSWORD": PASSWORD,
        }

    def close(self) -> None:
        """Stop both."""
        self._responder.stop()
        if self._names is not None:
            self._names.close()
