"""What one run of a command that promotes mailboxes works with; `failover` and `failback` share it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click
from confluent_kafka import KafkaException

from deploy import wiring
from deploy.front_door.actuator import Actuator, Hold, Place, Redirection
from deploy.front_door.configured import actuators_of
from deploy.kafka import admin, answer_of
from deploy.promotion.conduct import Course
from deploy.promotion.office import KafkaOffice
from deploy.promotion.stand_in import stand_in
from deploy.promotion.tail import Left, read_tails
from deploy.promotion.watch import Watch
from deploy.registry import Registry
from deploy.sections import Settings
from schemas.state import Registration

MAILBOXES_MAX = 3_000


@dataclass(slots=True)
class Session:
    """What one run of the command works with."""

    settings: Settings
    target: str
    known: dict[str, Registration]
    watch: Watch
    is_quiet: bool
    close_seconds: float
    is_source_lost: bool
    tails: dict[str, list[Left]] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Tell a person, beside what is printed for programs."""
        click.echo(text, err=self.is_quiet)

    def members(self, group: str) -> int:
        """Return how many processes take part in a group."""
        client = admin(wiring.kafka_settings(self.settings))
        try:
            found = answer_of(client.describe_consumer_groups([group])[group])
        except KafkaException:
            return 0
        return len(found.members)

    def redirections(self, mailboxes: Sequence[str]) -> list[Redirection]:
        """Return how the front door has to lead these mailboxes."""
        source, target = self.settings.source, self.settings.targets[self.target]
        return [
            Redirection(
                mailbox=m,
                address=self.known[m].source,
                from_place=Place(server=source.name, ews_url=source.url, address=self.known[m].source),
                to_place=Place(server=self.target, ews_url=target.url, address=self.known[m].targets[self.target]),
                is_from_lost=self.is_source_lost,
            )
            for m in mailboxes
        ]

    def actuators(self, hold: Hold) -> tuple[Actuator, ...]:
        """Return what leads clients; who leads all at once knows every mailbox that is mirrored, to any target."""
        found = actuators_of(self.settings, hold=hold)
        if any(actuator.leads_all for actuator in found):
            found = actuators_of(self.settings, [r.mailbox for r in mirrored(self.settings)], hold)
        return found

    def read_tails(self, mailboxes: Sequence[str]) -> Mapping[str, int]:
        """Read what the source holds beyond the barrier, once more; how many changes it is for each mailbox."""
        self.tails |= read_tails(self.settings, {m: self.known[m].source for m in mailboxes})
        return {m: len(left) for m, left in self.tails.items()}

    def course(self, office: KafkaOffice) -> Course:
        """Return what a coordinator works with."""
        topics = wiring.topics_of(self.settings)
        return Course(
            office=office,
            sight=self.watch,
            actuators=self.actuators(office.hold),
            redirections=self.redirections,
            source=topics.source,
            close_seconds=self.close_seconds,
            has_feed=lambda: self.members(topics.feed_group) > 0,
            stand_in=lambda: stand_in(self.settings, {m: r.source for m, r in self.known.items()}),
            tails=self.read_tails,
            clock=wiring.now_ms,
            say=self.say,
        )


def mirrored(settings: Settings) -> list[Registration]:
    """Return every registration."""
    wiring.prepare_topics(settings)
    registry = Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))
    try:
        return registry.all()
    finally:
        registry.close()
