"""A gauge that is set for every mailbox and exported as one number for all of them: ten thousand sink no Prometheus."""

import threading
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Fold = Callable[[Iterable[float]], float]


class _Cell:
    """One mailbox under one set of labels."""

    def __init__(self, board: "MailboxBoard", mailbox: str, values: tuple[str, ...]) -> None:
        self._board = board
        self._at = (mailbox, values)

    def set(self, value: float) -> None:
        """Note the newest value."""
        self._board.note(*self._at, float(value))


class MailboxBoard(Collector):
    """Values by mailbox, folded at every scrape (sum, min, max); used by several threads.

    `labels` are those that are exported; the mailbox never is. Nothing known, nothing exported.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: tuple[str, ...] = (),
        *,
        fold: Fold = sum,
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labelnames = labels
        self._fold = fold
        self._values: dict[tuple[str, ...], dict[str, float]] = {}
        self._turn = threading.Lock()
        registry.register(self)

    def labels(self, *, mailbox: str, **labels: str) -> _Cell:
        """Return the cell of a mailbox; every exported label has to be named."""
        return _Cell(self, mailbox, tuple(labels[name] for name in self._labelnames))

    def note(self, mailbox: str, values: tuple[str, ...], value: float) -> None:
        """Note a mailbox's newest value under label values."""
        with self._turn:
            self._values.setdefault(values, {})[mailbox] = value

    def forget(self, mailboxes: Iterable[str]) -> None:
        """Leave mailboxes out from now on: another process tells of them."""
        gone = set(mailboxes)
        with self._turn:
            for values, known in list(self._values.items()):
                left = {mailbox: value for mailbox, value in known.items() if mailbox not in gone}
                if left:
                    self._values[values] = left
                else:
                    del self._values[values]

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield name, help and labels."""
        yield GaugeMetricFamily(self._name, self._documentation, labels=self._labelnames)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one sample for each set of labels."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labelnames)
        with self._turn:
            folded = {values: self._fold(known.values()) for values, known in self._values.items()}
        for values, value in sorted(folded.items()):
            family.add_metric(values, value)
        yield family
