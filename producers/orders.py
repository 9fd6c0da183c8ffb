"""What an order does to a mailbox of the feed; its effect is committed with the order's position."""

import logging
from dataclasses import replace

from producers import round as decisions
from producers.capture import Capture
from schemas.change import Version
from schemas.faults import ReplicationFault
from schemas.roles import OrderKind
from schemas.state import Order

log = logging.getLogger(__name__)


def apply_order(capture: Capture, order: Order, now: int) -> None:
    """Obey WANT, SEED, PAUSE and RESUME; other kinds are for other owners and are logged."""
    index = capture.index
    match order.kind:
        case OrderKind.WANT:
            for item in order.items:
                if entry := index.entries.get(item):
                    decisions.want(index, entry, now, order.target, order.reason)
                elif not index.record.seed_begun:
                    capture.say_gone(item)
        case OrderKind.SEED:
            last = index.record.next_sequence - 1
            # also while a seed runs: who orders now is past its beginning, and waits for a new one
            capture.begin_seed(Version(generation=index.record.generation, sequence=last), order.reason)
        case OrderKind.PAUSE:
            index.record = replace(index.record, paused=order.reason or "paused by an operator")
        case OrderKind.RESUME:
            if index.record.paused == ReplicationFault.SOURCE_WENT_BACK:
                for folder in list(index.folders.values()):
                    index.put_folder(replace(folder, cursor="", probe=""))
            index.record = replace(index.record, paused="")
        case _:
            log.warning("order not for a feed", extra={"mailbox": order.mailbox, "kind": order.kind})
