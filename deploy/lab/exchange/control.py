"""The lab's own interface beside EWS: faults, switches, counters and the journal, as JSON under `/lab/`."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from deploy.lab.exchange.calls import Calls
from deploy.lab.exchange.faults import FaultRuleError, Faults, read_rule
from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.receiving import receive
from deploy.lab.exchange.switches import SwitchError

_HISTORY_MAX: Final = 10_000

Answer = Callable[[web.Request], Awaitable[web.Response]]


class Control:
    """The handlers of `/lab/…`; every one answers JSON, a refused request with status 400 and `error`."""

    def __init__(self, server: MailboxServer, faults: Faults, calls: Calls) -> None:
        self._server = server
        self._faults = faults
        self._calls = calls

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to the application."""
        return [
            web.get("/lab/faults", self._list_faults),
            web.post("/lab/faults", self._add_fault),
            web.delete("/lab/faults", self._clear_faults),
            web.get("/lab/calls", self._list_calls),
            web.post("/lab/calls/reset", self._reset_calls),
            web.get("/lab/clients", self._list_clients),
            web.get("/lab/history", self._list_history),
            web.get("/lab/switches", self._list_switches),
            web.post("/lab/switches", self._assign_switches),
            web.post("/lab/sync-states/invalidate", self._invalidate),
            web.get("/lab/mailboxes", self._list_mailboxes),
            web.post("/lab/mailboxes", self._add_mailbox),
            web.post("/lab/directory", self._change_directory),
            web.post("/lab/deliver", self._deliver),
        ]

    async def _list_faults(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        return web.json_response({"rules": self._faults.state()})

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self._faults.add(read_rule(await _body(request)))
        except FaultRuleError as error:
            return _refused(str(error))
        return web.json_response({"rules": self._faults.state()})

    async def _clear_faults(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        self._faults.clear()
        return web.json_response({"rules": []})

    async def _list_calls(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        return web.json_response({**self._calls.state(), "receipts_sent": self._server.store.receipts})

    async def _reset_calls(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        self._calls.reset()
        return web.json_response(self._calls.state())

    async def _list_clients(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        return web.json_response({"clients": self._calls.clients()})

    async def _list_history(self, request: web.Request) -> web.Response:
        text = request.query.get("after", "0")
        if not text.isdigit():
            return _refused("after must be a number")
        server = self._server
        rows = server.store.database.execute(
            "SELECT position, time, operation, mailbox, item, folder, kind, search_key, message_id FROM history"
            " WHERE position > ? ORDER BY position LIMIT ?",
            (int(text), _HISTORY_MAX),
        ).fetchall()
        entries = [
            {
                "seq": row[0],
                "time": row[1],
                "operation": row[2],
                "mailbox": server.folders.by_number[row[3]].address,
                "item_id": server.identity.item(row[3], row[4]),
                "folder_id": server.identity.folder(row[3], row[5]),
                "kind": row[6],
                "search_key": bytes(row[7]).hex(),
                "message_id": row[8],
            }
            for row in rows
        ]
        return web.json_response({"history": entries, "more": len(entries) == _HISTORY_MAX})

    async def _list_switches(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        return web.json_response(self._server.switches.values())

    async def _assign_switches(self, request: web.Request) -> web.Response:
        values = await _body(request)
        if not isinstance(values, dict):
            return _refused("switches must be a JSON object of name and value")
        try:
            for name, value in values.items():
                self._server.switches.assign(str(name), value)
        except SwitchError as error:
            return _refused(str(error))
        return web.json_response(self._server.switches.values())

    async def _invalidate(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        with self._server.writing("InvalidateSyncStates"):
            self._server.store.state_epoch += 1
        return web.json_response({"epoch": self._server.store.state_epoch})

    async def _list_mailboxes(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        found = self._server.folders.mailboxes.values()
        return web.json_response({"mailboxes": [{"address": one.address, "size_bytes": one.size} for one in found]})

    async def _add_mailbox(self, request: web.Request) -> web.Response:
        values = await _body(request)
        address = values.get("address") if isinstance(values, dict) else None
        if not isinstance(address, str) or "@" not in address:
            return _refused('give {"address": "name@domain"}')
        self._server.folders.add_mailbox(address)
        return web.json_response({"address": address.lower()})

    async def _change_directory(self, request: web.Request) -> web.Response:
        try:
            self._server.directory.change(await _body(request))
        except ValueError as error:
            return _refused(str(error))
        return web.json_response({"also": self._server.directory.also, "moved": self._server.directory.moved})

    async def _deliver(self, request: web.Request) -> web.Response:
        address = request.query.get("address", "").lower()
        mailbox = self._server.directory.mailbox(address, self._server.folders.mailboxes)
        if mailbox is None:
            return web.json_response({"error": "no such mailbox"}, status=404)
        receive(self._server, mailbox, await request.read())
        return web.json_response({"delivered": mailbox.address})


async def _body(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError:
        return None


def _refused(text: str) -> web.Response:
    return web.json_response({"error": text}, status=400)
