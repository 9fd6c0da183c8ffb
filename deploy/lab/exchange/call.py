"""One EWS request being answered: who asks, as what version, and the loop over its parts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lxml import etree

from deploy.lab.exchange.folders import Folder, Mailbox
from deploy.lab.exchange.identity import change_key
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.soap import EwsError, M, failed, local_name, response, succeeded
from deploy.lab.exchange.view import View


@dataclass(slots=True)
class Call:
    """A request with what every operation needs to answer it."""

    server: MailboxServer
    operation: str
    request: etree._Element
    mailbox: Mailbox
    generation: tuple[int, int]
    impersonates: bool
    refused: dict[int, EwsError] = field(default_factory=dict)
    refused_all: EwsError | None = None
    truncates_exports: bool = False
    parts_count: int = 0

    def child(self, name: str) -> etree._Element | None:
        """Return a direct child of the request by name."""
        return self.request.find(f"{M}{name}")

    def children(self, name: str) -> list[etree._Element]:
        """Return the elements inside a direct child of the request."""
        node = self.child(name)
        return [one for one in node if isinstance(one.tag, str)] if node is not None else []

    def each(
        self, nodes: Iterable[etree._Element], handle: Callable[[etree._Element], str], empty: str = ""
    ) -> list[str]:
        """One response message for each part of the request; `empty` is what an error must still carry."""
        operation = self.operation
        messages: list[str] = []
        for place, node in enumerate(nodes):
            self.parts_count += 1
            try:
                refusal = self.refused_all or self.refused.get(place)
                if refusal is not None:
                    raise refusal
                messages.append(succeeded(operation, handle(node)))
            except EwsError as error:
                messages.append(failed(operation, error, empty))
        return messages

    def answer(self, nodes: Iterable[etree._Element], handle: Callable[[etree._Element], str], empty: str = "") -> str:
        """Return the complete body of an operation that only reads."""
        return response(self.operation, self.each(nodes, handle, empty))

    def write(self, nodes: Iterable[etree._Element], handle: Callable[[etree._Element], str], empty: str = "") -> str:
        """Return the complete body of an operation that writes: one transaction for all parts."""
        with self.server.writing(self.operation):
            return self.answer(nodes, handle, empty)

    def view(self, body_type: str = "Best") -> View:
        """Return what the writers of an item's properties need."""
        server = self.server
        return View(server.items, server.identity, server.version.generation, body_type, server.clock())

    def _permit(self, mailbox: int) -> None:
        if self.impersonates and mailbox != self.mailbox.number:
            raise EwsError("ErrorAccessDenied", "Access is denied: the id belongs to another mailbox.")

    def item(self, node: etree._Element) -> Item:
        """Return the living item of an ItemId element; raises `EwsError`."""
        if local_name(node) != "ItemId":
            raise EwsError("ErrorInvalidIdMalformed", "Only ItemId elements name items here (see SKIPPED.md).")
        return self.permitted(self.server.item(node))

    def permitted(self, item: Item) -> Item:
        """Hand an item back to a caller who may touch its mailbox; raises `EwsError` (ErrorAccessDenied)."""
        self._permit(item.mailbox)
        return item

    def folder(self, node: etree._Element) -> tuple[Mailbox, Folder]:
        """Return the folder of a folder id element; raises `EwsError`."""
        mailbox, folder = self.server.folder(node, self.mailbox)
        self._permit(mailbox.number)
        return mailbox, folder

    def target(self, name: str, code: str = "ErrorToFolderNotFound") -> tuple[Mailbox, Folder]:
        """Return the folder named inside a child of the request; raises `EwsError`."""
        mailbox, folder = self.server.target(self.child(name), self.mailbox, code)
        self._permit(mailbox.number)
        return mailbox, folder

    def item_id_xml(self, item: Item) -> str:
        """Return the ItemId element of an item."""
        ident = self.server.identity.item(item.mailbox, item.number)
        return f'<t:ItemId Id="{ident}" ChangeKey="{change_key(item.change)}"/>'

    def flag(self, name: str) -> str | None:
        """Return an attribute of the request."""
        return self.request.get(name)
