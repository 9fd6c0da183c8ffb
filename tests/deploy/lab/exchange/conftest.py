"""A simulated server inside the test process, on a real port, every answer checked against the EWS schema."""

import asyncio
import base64
import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from lxml import etree

from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.server import PATH, Account, Front
from deploy.lab.exchange.switches import Switches
from deploy.lab.exchange.versions import VERSIONS

PASSWORD = "secret"
# the tests may have been copied away from the repository, to run against an installed wheel
ROOT = Path(os.environ.get("MAILSHADOW_REPOSITORY") or Path(__file__).resolve().parents[4])
SHARED = ROOT.parent / "shared"
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
S = "{http://schemas.xmlsoap.org/soap/envelope/}"
ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Header>{header}</s:Header>'
    "<s:Body>{body}</s:Body></s:Envelope>"
)


def missing(path: Path) -> None:
    """Skip where shared data is missing; fail in CI, where it must be there."""
    reason = f"{path.name} of the shared data is not here"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema | None:
    """The EWS schema, or None where the shared data is missing."""
    path = SHARED / "schema" / "messages.xsd"
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail("the EWS schema of the shared data is not here")
        return None
    return etree.XMLSchema(etree.parse(path))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The archive of the mail corpus."""
    path = SHARED / "corpus" / "spam-assassin.tar.xz"
    if not path.exists():
        missing(path)
    return path


class Harness:
    """One server on a thread, and a client that posts the inside of SOAP bodies."""

    def __init__(self, directory: Path, schema: etree.XMLSchema | None, version: str, **switches: Any) -> None:
        self.directory = directory
        self.schema = schema
        self.switches = Switches()
        for name, value in switches.items():
            self.switches.assign(name, value)
        self.server = MailboxServer(directory, VERSIONS[version], self.switches, time.time)
        for address in ("a@example.com", "b@example.com"):
            self.server.folders.add_mailbox(address)
        self.front = Front(self.server, Account("service", PASSWORD, "a@example.com"))
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        runner = web.AppRunner(self.front.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stopping.wait()
        await runner.cleanup()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        self._loop.close()
        self.server.store.close()

    def raw(
        self, method: str, path: str, body: bytes | None = None, *, password: str | None = PASSWORD
    ) -> tuple[int, dict[str, str], bytes]:
        """One HTTP request; answers status, headers and body."""
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        if password is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"service:{password}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def envelope(self, body: str, mailbox: str = "", version: str = "") -> bytes:
        header = f'<t:RequestServerVersion Version="{version}"/>' if version else ""
        if mailbox:
            header += (
                "<t:ExchangeImpersonation><t:ConnectingSID>"
                f"<t:PrimarySmtpAddress>{mailbox}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
            )
        return ENVELOPE.format(header=header, body=body).encode()

    def send(self, body: str, mailbox: str = "", version: str = "") -> tuple[int, etree._Element]:
        """Post one operation; answers the status and the first child of the SOAP body."""
        status, _, content = self.raw("POST", PATH, self.envelope(body, mailbox, version))
        root = etree.fromstring(content, etree.XMLParser(huge_tree=True))
        return status, root.find(f"{S}Body")[0]  # type: ignore[index]

    def post(self, body: str, mailbox: str = "", version: str = "") -> etree._Element:
        """Post one operation that must be answered; the answer must validate against the schema."""
        status, answer = self.send(body, mailbox, version)
        assert status == 200, etree.tostring(answer)
        if self.schema is not None:
            self.schema.assertValid(answer)
        return answer

    def codes(self, body: str, mailbox: str = "", version: str = "") -> list[str]:
        """The response codes of one operation."""
        return [node.text or "" for node in self.post(body, mailbox, version).iter(f"{M}ResponseCode")]

    def fault(self, body: str, mailbox: str = "", version: str = "") -> str:
        """The response code of a SOAP fault."""
        status, answer = self.send(body, mailbox, version)
        assert status == 500
        assert answer.tag == f"{S}Fault"
        return next(node.text or "" for node in answer.iter() if str(node.tag).endswith("ResponseCode"))

    # Short ways to frequent requests

    def folder(self, name: str, mailbox: str = "") -> str:
        """The FolderId of a distinguished folder."""
        answer = self.post(
            "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>"
            f'<t:DistinguishedFolderId Id="{name}"/></m:FolderIds></m:GetFolder>',
            mailbox,
        )
        return next(answer.iter(f"{T}FolderId")).get("Id") or ""

    def create(self, inner: str, folder: str = "inbox", *, disposition: str = "SaveOnly", mailbox: str = "") -> str:
        """Create one item from its element; answers its id."""
        answer = self.post(self.create_request(inner, folder, disposition), mailbox)
        assert [node.text for node in answer.iter(f"{M}ResponseCode")] == ["NoError"]
        return next(answer.iter(f"{T}ItemId")).get("Id") or ""

    def create_request(self, inner: str, folder: str = "inbox", disposition: str = "SaveOnly") -> str:
        target = f'<t:DistinguishedFolderId Id="{folder}"/>' if folder.islower() else f'<t:FolderId Id="{folder}"/>'
        return (
            f'<m:CreateItem MessageDisposition="{disposition}" SendMeetingInvitations="SendToNone">'
            f"<m:SavedItemFolderId>{target}</m:SavedItemFolderId><m:Items>{inner}</m:Items></m:CreateItem>"
        )

    def message(self, mime: bytes, folder: str = "inbox", extra: str = "", flags: int = 1, mailbox: str = "") -> str:
        """Create one message from MIME with its flags; answers its id."""
        text = base64.b64encode(mime).decode()
        inner = (
            f"<t:Message><t:MimeContent>{text}</t:MimeContent>"
            '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/>'
            f"<t:Value>{flags}</t:Value></t:ExtendedProperty>{extra}</t:Message>"
        )
        return self.create(inner, folder, mailbox=mailbox)

    def get(self, ident: str, *uris: str, extended: str = "", mime: bool = False, mailbox: str = "") -> etree._Element:
        """One item with some properties."""
        answer = self.post(self.get_request([ident], *uris, extended=extended, mime=mime), mailbox)
        items = next(answer.iter(f"{M}Items"))
        assert len(items), etree.tostring(answer)
        return items[0]

    def get_request(self, idents: list[str], *uris: str, extended: str = "", mime: bool = False) -> str:
        fields = "".join(f'<t:FieldURI FieldURI="{uri}"/>' for uri in uris) + extended
        wanted = f"<t:AdditionalProperties>{fields}</t:AdditionalProperties>" if fields else ""
        with_mime = "<t:IncludeMimeContent>true</t:IncludeMimeContent>" if mime else ""
        return (
            f"<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>{with_mime}{wanted}</m:ItemShape>"
            f"<m:ItemIds>{self.ids(idents)}</m:ItemIds></m:GetItem>"
        )

    def mime(self, ident: str) -> bytes:
        """The MIME of an item."""
        return base64.b64decode(self.get(ident, mime=True).findtext(f"{T}MimeContent") or "")

    def ids(self, idents: list[str]) -> str:
        return "".join(f'<t:ItemId Id="{ident}"/>' for ident in idents)

    def change_key(self, ident: str) -> str:
        return self.get(ident).find(f"{T}ItemId").get("ChangeKey") or ""  # type: ignore[union-attr]

    def sync(
        self, folder: str = "inbox", state: str = "", page: int = 512, shape: str = ""
    ) -> tuple[etree._Element, str]:
        """One page of SyncFolderItems; answers the response message and the new state."""
        held = f"<m:SyncState>{state}</m:SyncState>" if state else ""
        target = f'<t:DistinguishedFolderId Id="{folder}"/>' if folder.islower() else f'<t:FolderId Id="{folder}"/>'
        answer = self.post(
            f"<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>{shape}</m:ItemShape>"
            f"<m:SyncFolderId>{target}</m:SyncFolderId>{held}"
            f"<m:MaxChangesReturned>{page}</m:MaxChangesReturned></m:SyncFolderItems>"
        )
        message = next(answer.iter(f"{M}SyncFolderItemsResponseMessage"))
        return message, message.findtext(f"{M}SyncState") or ""

    def changes(self, folder: str, state: str = "", page: int = 512) -> tuple[list[tuple[str, str]], str]:
        """All changes since a state as (kind, id), page by page."""
        found: list[tuple[str, str]] = []
        while True:
            message, state = self.sync(folder, state, page)
            for change in next(message.iter(f"{M}Changes")):
                ident = next(change.iter(f"{T}ItemId")).get("Id") or ""
                found.append((str(change.tag).removeprefix(T), ident))
            if message.findtext(f"{M}IncludesLastItemInRange") == "true":
                return found, state

    def text(self, node: etree._Element, name: str) -> str | None:
        """The text of the first element of a name."""
        return next((found.text or "" for found in node.iter(f"{T}{name}", f"{M}{name}")), None)


Build = Callable[..., Harness]


@pytest.fixture
def build(tmp_path: Path, schema: etree.XMLSchema | None) -> Iterator[Build]:
    """Build servers of any version with any switches."""
    built: list[Harness] = []

    def make(version: str = "2019", directory: str = "", **switches: Any) -> Harness:
        harness = Harness(tmp_path / (directory or f"server-{len(built)}"), schema, version, **switches)
        built.append(harness)
        return harness

    yield make
    for harness in built:
        harness.close()


@pytest.fixture
def exchange(build: Build) -> Harness:
    """One server of the newest version."""
    return build()
