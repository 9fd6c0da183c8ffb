"""What the elements of an answer need beside the item itself."""

from deploy.lab.exchange.bodies import Body, body_of
from deploy.lab.exchange.content import Content, unpack
from deploy.lab.exchange.identity import Identity
from deploy.lab.exchange.items import Item, Items


class View:
    """What writers need beside the item: ids, the server's generation, and content read at most once an item."""

    __slots__ = ("_body", "_content", "_content_row", "_items", "body_type", "generation", "identity", "now")

    def __init__(
        self, items: Items, identity: Identity, generation: tuple[int, int], body_type: str, now: float
    ) -> None:
        self._items = items
        self.identity = identity
        self.generation = generation
        self.body_type = body_type
        self.now = now
        self._content: Content | None = None
        self._content_row = 0
        self._body: Body | None = None

    def content(self, item: Item) -> Content:
        """Return the item's content."""
        if self._content is None or self._content_row != item.row:
            self._content, self._content_row, self._body = unpack(self._items.content(item)), item.row, None
        return self._content

    def body(self, item: Item) -> Body:
        """Return the item's best body, empty where it has none."""
        content = self.content(item)
        if self._body is None:
            self._body = body_of(content) or Body("Text", "")
        return self._body

    def folder_id(self, item: Item) -> str:
        """Return the FolderId of the folder that holds the item."""
        return self._items.folder_of(item).id

    def owner(self, item: Item) -> str:
        """Return the address of the item's mailbox."""
        return self._items.folders.by_number[item.mailbox].address
