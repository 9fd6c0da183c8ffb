"""A registry whose gauges are brought up to date by whoever scrapes it: a figure is never older than the scrape."""

import threading
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric


class LiveRegistry(CollectorRegistry):
    """Calls every refresher before it collects; one scrape at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._refreshers: list[Callable[[], None]] = []
        self._scrape = threading.Lock()

    def refreshed_by(self, refresher: Callable[[], None]) -> None:
        """Have a function set its gauges before every scrape; it must not wait for anything."""
        self._refreshers.append(refresher)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it is now."""
        with self._scrape:
            for refresh in self._refreshers:
                refresh()
            found = list(super().collect())
        yield from found
