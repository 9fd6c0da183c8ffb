"""The second act of `mailshadow lab`: the source dies amid activity, its users go on at the target, and come home.

Read `run` from top to bottom: it is the whole story. Feed and source are killed as one machine would die, the feed a
moment earlier, so that there is always something nobody captured. Everything is done by the commands an operator has.
"""

import signal
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deploy.lab.comparison.comparison import Comparison, compare
from deploy.lab.display import Display
from deploy.lab.front_door import FrontDoor
from deploy.lab.missed import Journal, Missed, missed
from deploy.lab.operator import Operator
from deploy.lab.session import SessionError, UserSession
from deploy.lab.workload.activity import Pace, play
from deploy.lab.workload.generator import Generator
from deploy.lab.world import SOURCE, TARGET, World
from schemas.identity import mailbox_id

BEFORE_SECONDS = 4.0
UNSEEN_SECONDS = 1.5
ACTIVITY_SECONDS_MAX = 30.0
WRITTEN = "Written while the source was dead"
_NO_ITEM = frozenset({"FolderSaved", "FolderDeleted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the second act showed; times in seconds from the command's start, counts are of items.

    `reported` are items the completed loss statement names, `missed` those that were really missing; `unreported` and
    `needless` must be 0. `client_servers` says where the client was led before, during and after.
    """

    mailboxes: int
    promoted: int
    promotion_seconds: float
    client_seconds: float
    client_servers: tuple[str, ...]
    read_newest: bool
    wrote: bool
    reported: int
    missed: int
    unreported: int
    needless: int
    merged: int
    conflicts: int
    failback_seconds: float
    comparison: Comparison

    @property
    def is_clean(self) -> bool:
        """Whether everybody was led to the live server and back, nothing was lost unsaid, and both sides are equal."""
        told = not self.unreported and not self.needless and self.missed > 0
        worked = self.read_newest and self.wrote and self.client_servers == (SOURCE, TARGET, SOURCE)
        equal = self.comparison.is_clean and not self.comparison.foreign and not self.comparison.folders_extra
        return told and worked and equal and self.promoted == self.mailboxes

    def as_json(self) -> dict[str, Any]:
        """Return keys and values of the report."""
        counts = ("items_source", "items_target", "identical", "missing", "extra", "differing", "foreign")
        values = {name: value for name, value in asdict(self).items() if name != "comparison"}
        return values | {"after": {name: getattr(self.comparison, name) for name in counts}}


class Disaster:
    """The second act in a world whose services run and whose target is level."""

    def __init__(self, world: World, door: FrontDoor, display: Display, seed: int) -> None:
        self._world, self._door, self._display = world, door, display
        self._generator = Generator(seed, tuple(source for source, _ in world.mailboxes))
        self._source, self._target = UserSession(world.source_address), UserSession(world.target_address)
        self._operator = Operator(world)
        self._client = world.mailboxes[0][0]

    def close(self) -> None:
        """Close the connections."""
        self._source.close()
        self._target.close()

    def run(self) -> Outcome:
        """Tell it all; raises SessionError, ChildError, StalledError, ExchangeProcessError."""
        before = self._door.client(self._client)
        seen = self._world.source.history()[-1]["seq"]
        with self._display.phase("The source dies in the middle of it (kill -9)"):
            self._die()
        with self._display.phase("mailshadow failover --all --source-lost"):
            began = time.monotonic()
            promoted = self._operator.promote("--source-lost")
            promotion_seconds = time.monotonic() - began
        with self._display.phase("The same client, told nothing, reads and writes") as phase:
            newest = self._newest_at_target()
            during = self._door.client(self._client)
            client_seconds = time.monotonic() - began
            wrote = self._door.client(self._client, writing=WRITTEN)
            phase.report(2, f"led to {self._server(during)}")
        with self._display.phase("The source is back: what did the statement leave out?", unit="items missed") as phase:
            self._bring_back()
            reported = reported_in(self._operator.run("failover", "--tail", "--json"))
            written = self._world.source.history(seen)
            missing = self._missed(written)
            phase.report(sum(len(m.items) + m.deleted for m in missing.values()))
        with self._display.phase("mailshadow failback --all --merge"):
            began = time.monotonic()
            home = self._operator.go_home()
            failback_seconds = time.monotonic() - began
        after = self._door.client(self._client)
        with self._display.phase("Comparing both servers once more") as phase:
            self._operator.await_level()
            self._world.stop_services()
            found = compare(
                self._world.source_address, self._world.target_address, self._world.mailboxes, phase.report
            )  # fmt: skip
        return Outcome(
            mailboxes=len(self._world.mailboxes),
            promoted=sum(row["state"] in {"LED", "CONFIRMED"} for row in promoted["mailboxes"]),
            promotion_seconds=round(promotion_seconds, 2),
            client_seconds=round(client_seconds, 2),
            client_servers=tuple(self._server(one) for one in (before, during, after)),
            read_newest=during.get("newest") == newest,
            wrote=wrote.get("newest") == WRITTEN,
            failback_seconds=round(failback_seconds, 2),
            merged=sum(len(row["old_source"]) for row in home["mailboxes"]),
            conflicts=sum(len(row["conflicts"]) for row in home["mailboxes"]),
            comparison=found,
            **judged(reported, missing, {entry["item_id"] for entry in written}),
        )

    # -- the source ----------------------------------------------------------------------------------------

    def _die(self) -> None:
        """Kill the feed, and a moment later the source, while users are at work."""
        worker = threading.Thread(target=self._work, name="users")
        worker.start()
        time.sleep(BEFORE_SECONDS)
        self._world.feed.signal(signal.SIGKILL)
        time.sleep(UNSEEN_SECONDS)
        self._world.source.signal(signal.SIGKILL)
        worker.join()

    def _work(self) -> None:
        sources = [source for source, _ in self._world.mailboxes]
        try:
            play(self._source, sources, self._generator, Pace(seconds=ACTIVITY_SECONDS_MAX))
        except SessionError:
            return  # their server is dead

    def _bring_back(self) -> None:
        self._world.feed.stop()
        self._world.source.kill()
        self._world.source.start()

    def _missed(self, written: Iterable[Mapping[str, Any]]) -> dict[str, Missed]:
        """Return what each target really lacks, by mailbox id."""
        sessions, journal = (self._source, self._target), Journal.of(written)
        return {mailbox_id(pair[0]): missed(sessions, pair, journal) for pair in self._world.mailboxes}

    # -- the client ----------------------------------------------------------------------------------------

    def _newest_at_target(self) -> str:
        """Return the subject of the newest message in the client's inbox at the target."""
        body = (
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>'
            '<t:FieldURI FieldURI="item:Subject"/></t:AdditionalProperties></m:ItemShape>'
            '<m:IndexedPageItemView MaxEntriesReturned="1" Offset="0" BasePoint="Beginning"/><m:SortOrder>'
            '<t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:DateTimeCreated"/></t:FieldOrder>'
            '</m:SortOrder><m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem>'
        )
        answer = self._target.one("FindItem", self._world.mailboxes[0][1], body)
        return next((str(e.text or "") for e in answer.iter("{*}Subject")), "")

    def _server(self, client: dict[str, Any]) -> str:
        urls = {self._world.source_address.url: SOURCE, self._world.target_address.url: TARGET}
        return urls.get(client.get("url", ""), str(client.get("error", "elsewhere")))


def reported_in(statement: dict[str, Any]) -> dict[str, tuple[set[str], int]]:
    """Return by mailbox which ItemIds a loss statement names, and how many deletions."""
    found = {}
    for row in statement["mailboxes"]:
        named = [one for one in row["tail"] if one["kind"] not in _NO_ITEM]
        found[row["mailbox"]] = (
            {one["item_id"] for one in named if one["item_id"]},
            sum(one["kind"] == "ItemDeleted" for one in named),
        )
    return found


def judged(
    reported: dict[str, tuple[set[str], int]], missing: dict[str, Missed], written: Collection[str]
) -> dict[str, int]:
    """Compare item by item what was reported with what was missed.

    `written` are the ItemIds users wrote since: one that ended as it had begun (read and unread, moved and moved back)
    is named rightly and misses nothing.
    """
    unreported = needless = told = 0
    for mailbox, real in missing.items():
        items, deleted = reported.get(mailbox, (set(), 0))
        unreported += len(real.items - items) + max(0, real.deleted - deleted)
        needless += len(items - real.items - set(written)) + max(0, deleted - real.deleted)
        told += len(items) + deleted
    counted = sum(len(m.items) + m.deleted for m in missing.values())
    return {"reported": told, "missed": counted, "unreported": unreported, "needless": needless}
