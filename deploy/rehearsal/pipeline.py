"""The pipeline of a rehearsal: the same Kafka, a name of its own, one target, a front door on this machine only.

Its name begins every topic, group and transactional id, so nothing of the real pipeline can be written by it: the
feed, the replay and the coordinator that run in it are the real ones, and know only their own names.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from deploy.front_door.sections import AutodiscoverSection, FrontDoorSection
from deploy.rehearsal.rules import rehearsal_name
from deploy.sections import MailboxSection, RehearsalSection, ServerSection, Settings, SettingsError, TargetSection
from schemas.state import Registration

DIRECTORY = Path("rehearsals")
"""In the data directory: a directory a rehearsal, with its report, and `work` within it until it is thrown away."""
WORK = "work"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rehearsal lives: its name, and its directory on this machine."""

    name: str
    directory: Path

    @property
    def work(self) -> Path:
        """What is thrown away with it: caches, routes, certificates, and the lock of the process that drives it."""
        return self.directory / WORK


def place_of(settings: Settings, digits: str) -> Place:
    """Return where a rehearsal with these digits lives."""
    name = rehearsal_name(settings.pipeline.name, digits)
    return Place(name, settings.pipeline.data_directory / DIRECTORY / name)


def section_of(settings: Settings) -> RehearsalSection:
    """Return the scratch server; SettingsError where none is named."""
    if settings.rehearsal is None:
        raise SettingsError("rehearsal: missing: a scratch server is needed; see `mailshadow config example`")
    return settings.rehearsal


def with_mailboxes(settings: Settings, place: Place, registrations: list[Registration]) -> Settings:
    """Return the settings of a rehearsal's own pipeline with these mailboxes; they have addresses at scratch."""
    section = section_of(settings)
    server = {f.name: getattr(section, f.name) for f in fields(ServerSection)}
    return replace(
        settings,
        pipeline=replace(settings.pipeline, name=place.name, data_directory=place.work),
        # an administrator who makes the pipeline's topics can't make those of a name nobody knows before
        kafka=replace(settings.kafka, create_topics=True),
        targets={section.name: TargetSection(**server, portable_only=section.portable_only)},
        # no deletion of the log is new: what held a mailbox when it happened was decided then
        replay=replace(settings.replay, breaker_deletions_max=0, metrics_port=0),
        feed=replace(settings.feed, metrics_port=0),
        monitor=replace(settings.monitor, metrics_port=0, mailboxes_shown=()),
        mailboxes=tuple(MailboxSection(source=r.source, targets=dict(r.targets)) for r in registrations),
        front_door=FrontDoorSection(),
        rehearsal=None,
    )


def with_front_door(settings: Settings, place: Place, port: int, ca_file: Path, pair_file: Path) -> Settings:
    """Return the settings with an Autodiscover responder of the rehearsal's own, and nothing else that leads."""
    door = AutodiscoverSection(
        certificate_file=pair_file,
        key_file=pair_file,
        port=port,
        responders=(f"https://127.0.0.1:{port}",),
        ca_file=ca_file,
        route_files=(place.work / "routes.json",),
        answers_itself=True,
    )
    return replace(settings, front_door=FrontDoorSection(autodiscover=door))
