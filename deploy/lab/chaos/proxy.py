"""A TCP proxy that is unkind on request: one link in front of each server for each of its clients.

All links live in one thread with an event loop of its own; the methods of a link may be called from any thread and
return when the link behaves so. A link to an Exchange server passes requests whole, so that one can be held and
delivered after its sender is dead; a link to Kafka passes bytes.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from deploy.lab.chaos.weather import (
    END_TRANSACTION,
    HEAD_BYTES_MAX,
    REQUEST_BYTES_MAX,
    Direction,
    HeldRequest,
    Hold,
    Watch,
    Weather,
    api_keys_of,
    content_length,
)

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536
CALL_SECONDS_MAX = 30.0
DELIVERY_SECONDS_MAX = 120.0
_T = TypeVar("_T")


class Connection:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(
        self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter], weather: Weather, *, passes_whole_requests: bool,
    ) -> None:  # fmt: skip
        self._client, self._server = client, server
        self._weather = weather
        self._passes_whole_requests = passes_whole_requests

    async def run(self) -> None:
        """Pass bytes until both ends are done, or one breaks."""
        up = self._pass_requests() if self._passes_whole_requests else self._pass(Direction.TO_SERVER)
        tasks = [asyncio.ensure_future(up), asyncio.ensure_future(self._pass(Direction.TO_CLIENT))]
        try:
            await asyncio.gather(*tasks)
        except (OSError, EOFError, ValueError, RuntimeError):
            pass  # one end broke, or was closed half: the other is told below
        finally:
            for task in tasks:
                task.cancel()
            self.reset()

    def reset(self) -> None:
        """Break both ends at once."""
        for _, writer in (self._client, self._server):
            writer.transport.abort()

    def half_close(self, direction: Direction) -> None:
        """Tell one end that no more will come, and leave the other way open."""
        writer = self._writer(direction)
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

    def _writer(self, direction: Direction) -> asyncio.StreamWriter:
        return self._server[1] if direction is Direction.TO_SERVER else self._client[1]

    async def _pass(self, direction: Direction) -> None:
        reader = self._client[0] if direction is Direction.TO_SERVER else self._server[0]
        while chunk := await reader.read(CHUNK_BYTES):
            await self._send(direction, chunk)
        await self._end(direction)

    async def _pass_requests(self) -> None:
        reader = self._client[0]
        while request := await _read_request(reader):
            if self._weather.takes(request) is not None:
                continue  # its sender hears nothing, until somebody drops it
            await self._send(Direction.TO_SERVER, request)
        await self._end(Direction.TO_SERVER)

    async def _send(self, direction: Direction, content: bytes) -> None:
        weather = self._weather
        watch = weather.watch
        if watch and direction is Direction.TO_SERVER and watch.api_key in api_keys_of(content):
            watch.act()
            await watch.passes.wait()
        if weather.latency_seconds:
            await asyncio.sleep(weather.latency_seconds)
        await weather.gates[direction].wait()
        if not weather.spend(len(content)):
            writer = self._writer(direction)
            writer.write(content[: len(content) // 2])
            await writer.drain()
            raise ConnectionResetError
        writer = self._writer(direction)
        writer.write(content)
        await writer.drain()

    async def _end(self, direction: Direction) -> None:
        await self._weather.gates[direction].wait()
        await self._weather.closing.wait()
        self.half_close(direction)


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one HTTP request, head and body; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    length = content_length(head) or 0
    if length > REQUEST_BYTES_MAX:
        raise ValueError(length)
    return head + await reader.readexactly(length)


class Link:
    """One listening port in front of one server."""

    def __init__(self, name: str, upstream_port: int, *, is_exchange: bool) -> None:
        self.name = name
        self.upstream_port = upstream_port
        self.port = 0
        self.is_exchange = is_exchange
        self._loop = asyncio.get_running_loop()
        self._weather = Weather(gates={direction: asyncio.Event() for direction in Direction})
        self._weather.clear()
        self._connections: dict[asyncio.Task[Any], Connection] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; on the same port as before after `cut`."""
        if self._server is None:
            limit = HEAD_BYTES_MAX
            self._server = await asyncio.start_server(self._serve, HOST, self.port, limit=limit, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections and break those that are there."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self._reset_connections()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        try:
            upstream = await asyncio.open_connection(HOST, self.upstream_port, limit=HEAD_BYTES_MAX)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection((reader, writer), upstream, self._weather, passes_whole_requests=self.is_exchange)
        if task is not None:
            self._connections[task] = connection
        try:
            await connection.run()
        except asyncio.CancelledError:
            connection.reset()
        finally:
            if task is not None:
                self._connections.pop(task, None)

    def _reset_connections(self) -> None:
        for task in list(self._connections):
            task.cancel()

    # -- what may be asked of it, from any thread ------------------------------------------------------------

    def cut(self) -> None:
        """Refuse new connections and reset those that are there, until `mend`."""
        self._run(self.close())

    def reset(self) -> None:
        """Reset the connections that are there; new ones are served."""
        self._do(self._reset_connections)

    def freeze(self, *directions: Direction) -> None:
        """Let nothing pass in these directions; nobody is told."""

        def shut() -> None:
            for direction in directions:
                self._weather.gates[direction].clear()

        self._do(shut)

    def shut_at_commit(self, direction: Direction) -> None:
        """Let nothing pass in a direction from the next request on that ends a Kafka transaction."""
        self.watch(END_TRANSACTION, self._weather.gates[direction].clear)

    def watch(self, api_key: int, act: Callable[[], object], *, holds: bool = False) -> None:
        """Do something in the proxy's thread at each Kafka request with this api key; `holds` them until `mend`."""

        def begin() -> None:
            watch = Watch(api_key, act, asyncio.Event())
            if not holds:
                watch.passes.set()
            self._weather.watch = watch

        self._do(begin)

    def slow(self, seconds: float) -> None:
        """Delay every chunk each way."""
        self._do(lambda: setattr(self._weather, "latency_seconds", seconds))

    def break_after(self, byte_count: int) -> None:
        """Reset every connection once so many more bytes went through, in the middle of a message."""
        self._do(lambda: setattr(self._weather, "bytes_left", byte_count))

    def hide_closing(self) -> None:
        """Tell neither end when the other closes or dies."""
        self._do(self._weather.closing.clear)

    def half_close(self, direction: Direction) -> None:
        """Close one direction of every connection that is there."""

        def close_half() -> None:
            for connection in self._connections.values():
                connection.half_close(direction)

        self._do(close_half)

    def hold(self, operations: frozenset[str], count: int, on_held: Callable[[HeldRequest], None]) -> None:
        """Take the next requests of these operations out of the stream; `on_held` is called in the proxy's thread."""
        self._do(lambda: setattr(self._weather, "hold", Hold(operations, count, on_held)))

    def deliver(self, held: HeldRequest) -> str:
        """Send a held request on a connection of its own, whoever sent it; return the status line of the answer."""
        return self._run(_deliver(self.upstream_port, held), DELIVERY_SECONDS_MAX)

    def mend(self, *, drops_waiting: bool = False) -> None:
        """Be fair again: what waits at a shut gate passes now, or is dropped with its connection."""

        async def mended() -> None:
            if drops_waiting:
                self._reset_connections()
                await asyncio.sleep(0)
            self._weather.clear()
            await self.open()

        self._run(mended())

    def _do(self, action: Callable[[], object]) -> None:
        async def done() -> None:
            action()

        self._run(done())

    def _run(self, coroutine: Coroutine[Any, Any, _T], seconds_max: float = CALL_SECONDS_MAX) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds_max)


async def _deliver(port: int, held: HeldRequest) -> str:
    try:
        async with asyncio.timeout(DELIVERY_SECONDS_MAX - 5.0):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(held.content)
            await writer.drain()
            status = await reader.readline()
            writer.transport.abort()
            return status.decode("latin-1").strip()
    except (OSError, TimeoutError) as error:
        return f"not delivered: {type(error).__name__}"


class Proxy:
    """The thread of all links."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._links: list[Link] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()

    def link(self, name: str, upstream_port: int, *, is_exchange: bool) -> Link:
        """Open one more link; its `port` is where its client connects."""

        async def opened() -> Link:
            link = Link(name, upstream_port, is_exchange=is_exchange)
            await link.open()
            return link

        link = asyncio.run_coroutine_threadsafe(opened(), self._loop).result(CALL_SECONDS_MAX)
        self._links.append(link)
        return link

    def close(self) -> None:
        """Close every link and end the thread."""

        async def closed() -> None:
            for link in self._links:
                await link.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(closed(), self._loop).result(CALL_SECONDS_MAX)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CALL_SECONDS_MAX)
        self._loop.close()
