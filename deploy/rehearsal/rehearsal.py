"""One rehearsal: the log copied, replayed to a scratch server, failed over with the source lost, measured, compared.

It is a pipeline of its own in the same Kafka, so nothing of the real one can be harmed by construction: of the real
pipeline it only reads topics, by no group; at its targets and at its source it makes no call. The replay runs in this
process, so that whatever ends the process ends the replay.
Order: copy → mailboxes written down in its `control` → replay until level → the course of `failover --source-lost`,
by its own coordinator, with a front door of its own → compare. Throwing away is the caller's (`left_over`).
Failure: a mailbox that can't be rehearsed is left out with the reason, one that can't go on is told as a real
failover would tell it.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from deploy import wiring
from deploy.front_door.actuator import Place as Server
from deploy.front_door.actuator import Redirection
from deploy.front_door.autodiscover import AutodiscoverActuator
from deploy.front_door.configured import autodiscover_section
from deploy.front_door.guide import Guide
from deploy.front_door.sections import AutodiscoverSection
from deploy.promotion import loss, readiness
from deploy.promotion.conduct import Course, StoppedError
from deploy.promotion.course import Coordinator
from deploy.promotion.office import KafkaOffice, operator_name
from deploy.promotion.picture import Seen
from deploy.promotion.stand_in import stand_in
from deploy.promotion.unapplied import read_unapplied
from deploy.promotion.watch import Watch
from deploy.registry import Registry
from deploy.rehearsal.comparison import compare
from deploy.rehearsal.excerpt import Excerpt, LogCopy, take_excerpt
from deploy.rehearsal.pipeline import Place, section_of, with_mailboxes
from deploy.rehearsal.private_door import RehearsedClient, private_door
from deploy.rehearsal.scratch import Scratch
from deploy.sections import Settings, SettingsError
from deploy.verification import knowledge
from deploy.verification.result import MailboxResult
from schemas.change import Version
from schemas.codec import encode
from schemas.failover import Stage, State
from schemas.identity import target_id
from schemas.state import Promoted, Promotion, Registration

FILL_STALL_SECONDS = 120.0
LOOK_SECONDS = 0.1
STOP_SECONDS = 30.0


class RehearsalError(Exception):
    """A rehearsal can't be held; the text says why and what to do."""


@dataclass(slots=True)
class Outcome:
    """What a rehearsal found; seconds of each part, mailboxes by id."""

    excerpt: Excerpt = field(default_factory=Excerpt)
    copied_at: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    first_client_seconds: float | None = None
    served: dict[str, int] = field(default_factory=dict)
    statement: dict[str, Any] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    compared: dict[str, MailboxResult] = field(default_factory=dict)
    placed: dict[str, int] = field(default_factory=dict)
    failure: str = ""

    @property
    def refused(self) -> dict[str, str]:
        """Mailboxes that could not be rehearsed, with the reason."""
        return {m: taken.refusal for m, taken in self.excerpt.mailboxes.items() if taken.refusal}

    @property
    def is_good(self) -> bool:
        """Whether every mailbox was failed over, and found as the log says it."""
        is_done = self.statement.get("stage") == Stage.DONE and not self.failure
        is_whole = not any(row["left_out"] for row in self.statement.get("mailboxes", ()))
        return is_done and is_whole and not self.refused and all(r.is_equal for r in self.compared.values())


class Rehearsal:
    """Drives one rehearsal of some mailboxes (`scratch`: mailbox id to registration with its scratch address)."""

    def __init__(
        self, settings: Settings, place: Place, scratch: Mapping[str, Registration], say: Callable[[str], None]
    ) -> None:
        self._real = settings
        self._place = place
        self._scratch = scratch
        self._say = say
        self._target = section_of(settings).name
        self._own = with_mailboxes(settings, place, list(scratch.values()))
        self._topics = wiring.topics_of(self._own)
        self._connection = wiring.kafka_settings(self._own)
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Hold it; raises what Kafka, the scratch server or a wrong setting make it raise."""
        wiring.prepare_topics(self._own)
        with self._timed("copy"):
            self._copy()
        chosen = [r for m, r in self._scratch.items() if m not in self.outcome.refused]
        if not chosen:
            reasons = "; ".join(f"{m}: {why}" for m, why in self.outcome.refused.items())
            raise RehearsalError(f"no mailbox can be rehearsed: {reasons}")
        self._own = with_mailboxes(self._real, self._place, chosen)
        with (
            private_door(self._own, self._place) as own,
            self._replaying(own) as failed,
            closing(Watch(self._connection, self._topics, self._target)) as watch,
        ):
            with self._timed("fill"):
                self._await_level(watch, failed)
            self._fail_over(own, watch, {r.mailbox: r for r in chosen})
            self._raise(failed)
        with self._timed("compare"):
            self._compare(chosen)
        return self.outcome

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.outcome.seconds[part] = round(time.monotonic() - began, 3)

    def _copy(self) -> None:
        self._say(f"{len(self._scratch)} mailboxes are read from the log")
        copy = LogCopy(self._connection, self._topics)
        real = wiring.topics_of(self._real)
        self.outcome.excerpt = take_excerpt(self._connection, real, self._topics, self._scratch, copy)
        self.outcome.copied_at = wiring.now_ms()
        for mailbox, registration in self._scratch.items():
            if mailbox not in self.outcome.refused:
                copy.write(self._topics.control, mailbox, mailbox, encode(registration), partition=0)
        copy.commit()

    # -- the replay ----------------------------------------------------------------------------------------

    @contextmanager
    def _replaying(self, own: Settings) -> Iterator[list[Exception]]:
        """Replay to the scratch server while the block lasts; gives the list of what made it end."""
        stop, failed = threading.Event(), list[Exception]()
        registry = Registry(own, self._connection, self._topics)
        service = wiring.replay_service(own, registry, self._target)

        def work() -> None:
            try:
                service.run(stop)
            except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
                failed.append(error)

        thread = threading.Thread(target=work, name="rehearsal-replay", daemon=True)
        thread.start()
        try:
            yield failed
        finally:
            stop.set()
            thread.join(STOP_SECONDS)
            registry.close()

    def _raise(self, failed: Sequence[Exception]) -> None:
        if failed:
            raise failed[0]

    def _await_level(self, watch: Watch, failed: Sequence[Exception]) -> None:
        """Wait until everything that was copied is applied, or nothing goes on by itself."""
        lasts = {m: t.last.version for m, t in self.outcome.excerpt.mailboxes.items() if t.last and not t.refusal}
        self._say(f"{len(lasts)} mailboxes are replayed to {self._target}: {self.outcome.excerpt.records} records")
        moved_at, before = time.monotonic(), -1
        while behind := [m for m, last in lasts.items() if not is_level(watch.look(0.0).of(m), last)]:
            picture = watch.look(LOOK_SECONDS)
            self._raise(failed)
            now, applied = time.monotonic(), sum(picture.of(m).target.applied_sequence for m in lasts)
            if applied != before:
                moved_at, before = now, applied
            if all(readiness.blocked(picture.of(m)) for m in behind) or now - moved_at > FILL_STALL_SECONDS:
                self._say(f"{len(behind)} mailboxes do not go on: they are failed over as they stand")
                return

    # -- the failover --------------------------------------------------------------------------------------

    def _fail_over(self, own: Settings, watch: Watch, chosen: Mapping[str, Registration]) -> None:
        picture = watch.look(0.0)
        self.outcome.doubts = {m: readiness.doubts(picture.of(m)) for m in chosen}
        section = _door_of(own)
        servers = {s.name: wiring.server_settings(s) for s in own.targets.values()}
        client = RehearsedClient(section.responders[0], section.ca_file, servers)
        office = KafkaOffice(self._connection, self._topics)
        with closing(office):
            course = Course(
                office=office,
                sight=watch,
                actuators=(AutodiscoverActuator(section, Guide(own, section), office.hold), client),
                redirections=lambda mailboxes: [self._redirection(own, chosen[m]) for m in mailboxes],
                source=own.source.name,
                close_seconds=1.0,
                has_feed=lambda: False,
                stand_in=lambda: stand_in(own, {m: r.source for m, r in chosen.items()}),
                tails=lambda _: {},
                clock=wiring.now_ms,
                say=self._say,
            )
            promotion = _promotion(self._target, chosen)
            office.begin(promotion)
            coordinator, began = Coordinator(course, promotion), time.monotonic()
            with self._timed("failover"):
                try:
                    coordinator.run()
                except StoppedError as stopped:
                    self.outcome.failure = str(stopped)
        if client.first_at is not None:
            self.outcome.first_client_seconds = round(client.first_at - began, 3)
        self.outcome.stages, self.outcome.served = coordinator.seconds, client.served
        unapplied = read_unapplied(self._connection, self._topics, watch.look(0.0), chosen)
        self.outcome.statement = loss.statement(coordinator.progress, watch.look(0.0), unapplied, {})

    def _redirection(self, own: Settings, registration: Registration) -> Redirection:
        source, target = own.source, own.targets[self._target]
        scratch = registration.targets[self._target]
        return Redirection(
            mailbox=registration.mailbox,
            address=registration.source,
            from_place=Server(server=source.name, ews_url=source.url, address=registration.source),
            to_place=Server(server=self._target, ews_url=target.url, address=scratch),
            is_from_lost=True,
        )

    def _compare(self, chosen: Sequence[Registration]) -> None:
        self._say(f"{len(chosen)} scratch mailboxes are compared with the log")
        stamp_name = target_id(self._topics.pipeline, self._target)
        with closing(Scratch(section_of(self._real))) as scratch:
            for registration in chosen:
                mailbox, address = registration.mailbox, registration.targets[self._target]
                known = knowledge.read(self._connection, self._topics, self._target, [mailbox])[mailbox]
                self.outcome.placed[mailbox] = sum(bool(r.target_id) for r in known.ledger.values())
                taken = self.outcome.excerpt.mailboxes[mailbox]
                self.outcome.compared[mailbox] = compare(scratch.target, address, taken, known, stamp_name)


def is_level(seen: Seen, last: Version) -> bool:
    """Tell whether a mailbox was applied up to the last change that was copied, and its feed's record is seen too."""
    return seen.source.generation > 0 and seen.target.applied >= last


def _door_of(own: Settings) -> AutodiscoverSection:
    section = autodiscover_section(own)
    if section is None:
        raise SettingsError("rehearsal: its front door has no settings")
    return section


def _promotion(target: str, chosen: Mapping[str, Registration]) -> Promotion:
    now = wiring.now_ms()
    return Promotion(
        promotion=secrets.token_hex(6),
        target=target,
        planned=False,
        reason="rehearsal",
        stage=Stage.CHECK,
        failure="",
        operator=operator_name(),
        since=now,
        began_at=now,
        beat=0,
        # nobody is asked for a word: what would need one is told
        mailboxes=tuple(Promoted(mailbox=m, state=State.MIRRORING, accepted=True) for m in chosen),
    )
