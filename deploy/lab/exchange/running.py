"""One server from its start to its clean stop."""

import asyncio
import json
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.server import PATH, Account, Front
from deploy.lab.exchange.switches import Switches
from deploy.lab.exchange.versions import Version

_STOP_SECONDS = 0.5


class PortError(Exception):
    """The port cannot be listened on; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is started."""

    host: str
    port: int
    version: Version
    directory: Path
    account: Account
    mailboxes: tuple[str, ...]
    switches: Switches
    keeps_history: bool = False


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, 0 being any free port; raises `PortError`."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise PortError(
            f"{host}:{port} cannot be listened on ({error.strerror}); choose another --port or 0"
        ) from error
    return listener


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; raises `DataError` or `PortError` before anything is served."""
    server = MailboxServer(
        options.directory, options.version, options.switches, time.time, keeps_history=options.keeps_history
    )
    try:
        listener = listen(options.host, options.port)
        for address in options.mailboxes:
            server.folders.add_mailbox(address)
        asyncio.run(_serve(server, options, listener))
    finally:
        server.store.close()


async def _serve(server: MailboxServer, options: Options, listener: socket.socket) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    front = Front(server, options.account)
    runner = web.AppRunner(
        front.application(), access_log=None, shutdown_timeout=_STOP_SECONDS, keepalive_timeout=600.0
    )
    await runner.setup()
    await web.SockSite(runner, listener).start()
    base = f"http://{options.host}:{listener.getsockname()[1]}"
    ready = {
        "url": base + PATH,
        "control": f"{base}/lab/",
        "user": options.account.user,
        "password": options.account.password,
        "version": options.version.name,
        "mailboxes": sorted(server.folders.mailboxes),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    await stopping.wait()
    await runner.cleanup()
