"""The settings, topics and registrations of the way back: source and target in each other's place (design §8)."""

from dataclasses import dataclass, fields, replace

from deploy.registry import Registry
from deploy.sections import FeedSection, MailboxSection, ServerSection, Settings, SettingsError, TargetSection
from schemas.change import Form
from schemas.state import Registration

TOO_OLD = "2010_SP1"
_ORDER = ("2010_SP1", "2013", "2016", "2019")


class TurnedSettings(Settings):
    """Settings of the way back of one target; what is made of them has topics of its own."""


def is_lossy(settings: Settings) -> bool:
    """Tell whether some target is older than the source: content has to take the portable way."""
    return any(_ORDER.index(t.version) < _ORDER.index(settings.source.version) for t in settings.targets.values())


def turned(settings: Settings, target: str) -> TurnedSettings:
    """Return the settings of the way back from a target; SettingsError where its old source can't be written to."""
    if settings.source.version == TOO_OLD:
        raise SettingsError(
            f"source.version: {TOO_OLD} can't be written to (it can't suppress read receipts in time), so there is no "
            "way back to it"
        )
    given, source = settings.targets[target], settings.source
    server = {f.name: getattr(given, f.name) for f in fields(ServerSection)} | {"name": target}
    back = TargetSection(**{f.name: getattr(source, f.name) for f in fields(ServerSection)})
    found = TurnedSettings(
        pipeline=settings.pipeline,
        source=ServerSection(**server),
        targets={source.name: back},
        kafka=settings.kafka,
        feed=settings.feed,
        replay=settings.replay,
        metrics=settings.metrics,
        monitor=settings.monitor,
        mailboxes=tuple(
            MailboxSection(source=m.targets[target], targets={source.name: m.source})
            for m in settings.mailboxes
            if target in m.targets
        ),
        front_door=settings.front_door,
    )
    # an original that only has to be compared needs MIME; a stream is refused by an older server, where what is no
    # message is compared and changed by its elements
    forms = (Form.PORTABLE, Form.ELEMENTS) if is_lossy(found) else (Form.STREAM, Form.PORTABLE)
    # the ports are those of the services of the first direction, which run beside
    feed: FeedSection = replace(found.feed, forms=tuple(forms), metrics_port=0)
    return replace(found, feed=feed, replay=replace(found.replay, metrics_port=0))


@dataclass(frozen=True, slots=True)
class TurnedRegistry:
    """The registrations of a pipeline as the way back of one target has them; mailbox ids stay what they are."""

    registry: Registry
    target: str
    source: str

    def of_source(self, partition: int) -> dict[str, str]:
        """Return mailbox id to the address at the target, from where it is captured now."""
        return self.registry.of_target(partition, self.target)

    def of_target(self, partition: int, target: str) -> dict[str, str]:
        """Return mailbox id to the address at the old source."""
        mirrored = self.registry.of_target(partition, self.target)
        addresses = self.registry.of_source(partition)
        return {m: addresses[m] for m in mirrored} if target == self.source else {}

    def all(self) -> list[Registration]:
        """Return every registration, turned, by mailbox id."""
        return [
            Registration(mailbox=r.mailbox, source=r.targets[self.target], targets={self.source: r.source})
            for r in self.registry.all()
            if self.target in r.targets
        ]
