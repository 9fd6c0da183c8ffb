"""`failback`: the old source returns, its tail is merged, its users go back to it; or it is only mirrored to."""

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from deploy import exit_codes, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.promoting import MAILBOXES_MAX, Session
from deploy.commands.target_mailbox import id_of, require_target_name
from deploy.front_door.actuator import Actuator, Hold, Place, Redirection
from deploy.front_door.configured import actuators_of
from deploy.promotion import loss, report, strays
from deploy.promotion.conduct import StoppedError
from deploy.promotion.office import KafkaOffice, operator_name
from deploy.promotion.return_course import Passage, ReturnCoordinator
from deploy.promotion.tail import Left, read_tails
from deploy.promotion.turned import TurnedSettings, is_lossy, turned
from deploy.promotion.unapplied import read_unapplied
from deploy.promotion.watch import Watch
from deploy.promotion.whereabouts import whereabouts
from deploy.registry import Registry
from deploy.sections import Settings, SettingsError
from schemas.failover import Stage, State
from schemas.state import Promoted, Promotion, Registration

LOSSES = (
    "items that are no messages and were made at {target}: parked, {source} is older and takes no stream",
    (
        "of items that are no messages and were changed at {target}: attachments, changed occurrences of a series, and "
        "properties that EWS has no element for or {source} does not know"
    ),
    "of messages that were made or changed at {target}: the properties that MIME does not hold",
)


@dataclass(slots=True)
class BackSession(Session):
    """What one run works with; `settings`, `target` and `known` are of the way back, `there` the first direction's."""

    there: Settings = field(kw_only=True)
    there_watch: Watch = field(kw_only=True)
    options: Mapping[str, Any] = field(kw_only=True)
    is_strays: bool = field(kw_only=True)
    old_tails: dict[str, list[Left]] = field(default_factory=dict)

    def redirections(self, mailboxes: Sequence[str]) -> list[Redirection]:
        """Return how the front door has to lead these mailboxes: from the promoted target to the old source."""
        source, target = self.settings.source, self.settings.targets[self.target]
        return [
            Redirection(
                mailbox=m,
                address=self.known[m].targets[self.target],
                from_place=Place(server=source.name, ews_url=source.url, address=self.known[m].source),
                to_place=Place(server=self.target, ews_url=target.url, address=self.known[m].targets[self.target]),
            )
            for m in mailboxes
        ]

    def actuators(self, hold: Hold) -> tuple[Actuator, ...]:
        """Return what leads clients."""
        found = actuators_of(self.there, hold=hold)
        if any(actuator.leads_all for actuator in found):
            found = actuators_of(self.there, [r.mailbox for r in _registered(self.there)], hold)
        return found

    def read_old_tails(self, mailboxes: Sequence[str]) -> Mapping[str, int]:
        """Read what the old source holds beyond its barrier; how many changes it is for each mailbox."""
        self.old_tails |= read_tails(self.there, {m: self.known[m].targets[self.target] for m in mailboxes})
        return {m: len(left) for m, left in self.old_tails.items()}

    def refusal(self, mailboxes: Sequence[str]) -> str:
        """Say why what was read of the old source may not be brought over: strays bring no deletions unasked."""
        is_refusing = self.is_strays and not self.options.get("with_deletions")
        return strays.refusal(self.old_tails, mailboxes) if is_refusing else ""

    def missing(self) -> list[str]:
        """Return the commands of the owners that do not run: four of the way back, two where strays are merged."""
        there, back = wiring.topics_of(self.there), wiring.topics_of(self.settings)
        target, source = back.source, there.source
        needed = {
            there.feed_group: "mailshadow feed",
            there.replay_group(target): f"mailshadow replay --target {target}",
            back.feed_group: f"mailshadow feed --back {target}",
            back.replay_group(source): f"mailshadow replay --back {target}",
        }
        if self.is_strays:
            needed = {group: command for group, command in needed.items() if "--back" not in command}
        return [command for group, command in needed.items() if not self.members(group)]

    def passage(self) -> Passage:
        """Return what the return of the old source works with."""
        return Passage(
            there=self.there_watch,
            topics=wiring.topics_of(self.there),
            back=wiring.topics_of(self.settings),
            tails=self.read_old_tails,
            refusal=self.refusal,
            is_merging=self.options["is_merging"] or self.is_strays,
            is_mirror=self.options["is_mirror"],
            missing=self.missing,
        )


@click.command()
@config_option
@json_option
@click.argument("mailboxes", nargs=-1, metavar="[MAILBOX]...")
@click.option("--all", "is_all", is_flag=True, help="Every mailbox that was promoted.")
@click.option("--to", "source", default="", metavar="SOURCE", help="The old source, by its name in the settings.")
@click.option("--from", "promoted", default="", metavar="TARGET", help="Where they were promoted to, of several.")
@click.option("--merge", "is_merging", is_flag=True, help="Bring over what the old source has and nobody captured.")
@click.option("--mirror", "is_mirror", is_flag=True, help="Mirror to the old source, no more: users stay.")
@click.option("--accept", multiple=True, metavar="MAILBOX|all", help="Lead it back although it is not as it should be.")
@click.option("--accept-losses", "is_accepting", is_flag=True, help="Go on to an older version of Exchange.")
@click.option("--resume", "is_resumed", is_flag=True, help="Go on with what a dead or stopped command left.")
@click.option("--undo", "is_undone", is_flag=True, help="Leave the users at the target, as they are.")
@click.option("--with-subjects", is_flag=True, help="Name subject and sender of what is listed.")
@click.option("--reason", default="ordered by an operator", show_default=True, help="Kept with the barrier.")
@click.option(
    "--close-seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    help="Read each server to its end at most so long.",
)
@click.option(
    "--report", "report_path", type=click.Path(path_type=Path, file_okay=False), help="Where the loss statement goes."
)
def failback(config: Path, mailboxes: tuple[str, ...], **options: Any) -> None:
    """Lead MAILBOXES back to the source they were promoted from, once it answers again."""
    there = settings_of(config, needs_kafka=True)
    is_going_on = options["is_resumed"] or options["is_undone"]
    if options["is_resumed"] and options["is_undone"]:
        raise SettingsError("--resume and --undo: give one of them")
    if is_going_on and (mailboxes or options["is_all"]):
        raise SettingsError("--resume and --undo go on with the way back there is: name no mailboxes")
    if not is_going_on and bool(mailboxes) == options["is_all"]:
        raise SettingsError("name mailboxes, or give --all")
    if options["source"] not in {"", there.source.name}:
        raise SettingsError(f"--to {options['source']}: the old source is {there.source.name}")
    require_target_name(there, options["promoted"])
    wiring.prepare_topics(there)
    target = options["promoted"] or _promoted_target(there)
    require_target_name(there, target)
    back = turned(there, target)
    wiring.prepare_topics(back)
    refuse_losses(back, is_accepting=options["is_accepting"] or is_going_on)
    office = KafkaOffice(wiring.kafka_settings(back), wiring.topics_of(back))
    with closing(office):
        if is_going_on:
            code = go_on(there, back, office, options)
        else:
            code = lead_back(there, back, office, _chosen(there, target, mailboxes), options)
    if code:
        sys.exit(code)


def _promoted_target(there: Settings) -> str:
    """Return the target where users work; SettingsError where there are more, or none."""
    where = whereabouts(wiring.kafka_settings(there), wiring.topics_of(there), tuple(there.targets))
    found = sorted(set(where.promoted.values()))
    if len(found) > 1:
        raise SettingsError(f"--from: mailboxes were promoted to {', '.join(found)}; name one of them")
    if not found and len(there.targets) > 1:
        raise SettingsError(f"--from: missing; the settings have {', '.join(there.targets)}")
    return found[0] if found else next(iter(there.targets))


def refuse_losses(back: TurnedSettings, *, is_accepting: bool) -> None:
    """Leave with the losses of a way back to an older server, where nobody accepts them."""
    if not is_lossy(back) or is_accepting:
        return
    source = next(iter(back.targets))
    told = "\n".join(f"  - {text.format(target=back.source.name, source=source)}" for text in LOSSES)
    click.echo(f"{source} is older than {back.source.name}; the way back loses:\n{told}", err=True)
    click.echo("mailshadow: nothing was changed; `--accept-losses` goes on", err=True)
    sys.exit(exit_codes.WORD_NEEDED)


def _registered(there: Settings) -> list[Registration]:
    registry = Registry(there, wiring.kafka_settings(there), wiring.topics_of(there))
    try:
        return registry.all()
    finally:
        registry.close()


def _chosen(there: Settings, target: str, mailboxes: Sequence[str]) -> list[Registration]:
    """Return the registrations of the mailboxes, as the way back has them."""
    known = {r.mailbox: r for r in _registered(there) if target in r.targets}
    where = whereabouts(wiring.kafka_settings(there), wiring.topics_of(there), tuple(there.targets))
    promoted = where.between | {m for m, at in where.promoted.items() if at == target}
    names = [id_of(m) for m in mailboxes] if mailboxes else sorted(promoted & known.keys())
    for asked, name in zip(mailboxes or names, names, strict=True):
        if name not in known:
            raise SettingsError(f"{asked}: not mirrored to {target}; `mailshadow mailboxes list` shows what is")
    if not 0 < len(names) <= MAILBOXES_MAX:
        raise SettingsError(f"{len(names)} promoted mailboxes: the way back takes 1 to {MAILBOXES_MAX}")
    return [turned_registration(known[name], there.source.name, target) for name in dict.fromkeys(names)]


def turned_registration(one: Registration, source: str, target: str) -> Registration:
    """Return a registration as the way back has it."""
    return Registration(mailbox=one.mailbox, source=one.targets[target], targets={source: one.source})


def _session(
    stack: ExitStack,
    there: Settings,
    back: TurnedSettings,
    known: Sequence[Registration],
    options: Mapping[str, Any],
    *,
    stage: str,
) -> BackSession:
    connection = wiring.kafka_settings(there)
    source, target = there.source.name, back.source.name
    return BackSession(
        settings=back,
        target=source,
        known={r.mailbox: r for r in known},
        watch=stack.enter_context(closing(Watch(connection, wiring.topics_of(back), source))),
        is_quiet=options["as_json"],
        close_seconds=options["close_seconds"],
        is_source_lost=False,
        there=there,
        there_watch=stack.enter_context(closing(Watch(connection, wiring.topics_of(there), target))),
        options=options,
        is_strays=stage == Stage.STRAYS,
    )


def _require_services(session: BackSession, *, is_turning: bool) -> None:
    """Raise SettingsError, with what to start, where one of the owners does not run."""
    if missing := session.missing():
        needs = "the way back needs both directions" if is_turning else "what is merged needs feed and replay"
        raise SettingsError(f"{needs}; start {', '.join(f'`{m}`' for m in missing)} first")


def _accepted(names: Sequence[str], chosen: Sequence[str]) -> set[str]:
    return set(chosen) if "all" in names else {id_of(name) for name in names}


def lead_back(
    there: Settings,
    back: TurnedSettings,
    office: KafkaOffice,
    known: Sequence[Registration],
    options: Mapping[str, Any],
    *,
    promotion_id: str = "",
    stage: str = Stage.RETURN,
) -> int:
    """Lead mailboxes (`known`: as the way back has them) to their old source, and return the exit code.

    A caller that has to know the promotion after its own death gives the id. `stage` STRAYS only merges what the old
    source has, and leaves everybody where they are.
    """
    accepted = _accepted(options["accept"], [r.mailbox for r in known])
    with ExitStack() as stack:
        session = _session(stack, there, back, known, options, stage=stage)
        office.refuse_other()
        _require_services(session, is_turning=stage == Stage.RETURN)
        now = wiring.now_ms()
        promotion = Promotion(
            promotion=promotion_id or secrets.token_hex(6), target=there.source.name, planned=True,
            reason=options["reason"], stage=stage, failure="", operator=operator_name(), since=now, began_at=now,
            beat=0,
            mailboxes=tuple(
                Promoted(mailbox=r.mailbox, state=State.MIRRORING, accepted=r.mailbox in accepted) for r in known
            ),
        )  # fmt: skip
        office.begin(promotion)
        return _drive(session, ReturnCoordinator(session.course(office), session.passage(), promotion), options)


def go_on(there: Settings, back: TurnedSettings, office: KafkaOffice, options: Mapping[str, Any]) -> int:
    """Go on with the way back there is, or leave it; return the exit code."""
    if (newest := office.newest()) and newest.target != there.source.name:
        raise SettingsError("the promotion there is does not lead back: go on with `mailshadow failover`")
    found = office.resume(operator_name(), wiring.now_ms())
    accepted = _accepted(options["accept"], [o.mailbox for o in found.mailboxes])
    found = replace(
        found, mailboxes=tuple(replace(o, accepted=o.accepted or o.mailbox in accepted) for o in found.mailboxes)
    )
    registered = {r.mailbox: r for r in _registered(there)}
    known = [turned_registration(registered[o.mailbox], there.source.name, back.source.name) for o in found.mailboxes]
    with ExitStack() as stack:
        session = _session(stack, there, back, known, options, stage=found.stage)
        return _drive(session, ReturnCoordinator(session.course(office), session.passage(), found), options)


def _drive(session: BackSession, coordinator: ReturnCoordinator, options: Mapping[str, Any]) -> int:
    failure = ""
    try:
        if options["is_undone"]:
            coordinator.undo()
        else:
            coordinator.run()
    except StoppedError as stopped:
        failure = str(stopped)
    progress = coordinator.progress
    _tell(session, progress, coordinator.seconds, options)
    if failure or (progress.stage == Stage.UNDONE and progress.failure):
        click.echo(f"mailshadow: {failure or progress.failure}", err=True)
        return exit_codes.STOPPED if failure else exit_codes.WORD_NEEDED
    return exit_codes.WORD_NEEDED if any(o.left_out for o in progress.mailboxes) else exit_codes.OK


def _tell(session: BackSession, progress: Promotion, seconds: Mapping[str, float], options: Mapping[str, Any]) -> None:
    """Print and write the loss statement of the way back, with the old source's tail and the conflicts of the merge."""
    connection, topics = wiring.kafka_settings(session.settings), wiring.topics_of(session.settings)
    picture, part = session.watch.look(0.0), [o.mailbox for o in progress.mailboxes if not o.left_out]
    unapplied = read_unapplied(connection, topics, picture, part)
    with_subjects = options["with_subjects"]
    there = session.there_watch.look(0.0)
    if session.is_strays:
        found = strays.statement(progress, there, topics.source)
    else:
        found = loss.statement(progress, picture, unapplied, session.tails, with_subjects=with_subjects)
    for row in found["mailboxes"]:
        both = (there.of(row["mailbox"]).conflicts, picture.of(row["mailbox"]).conflicts)
        conflicts = sorted((c for found_ in both for c in found_.values()), key=lambda c: c.item)
        row["old_source"] = [
            {k: v for k, v in asdict(one).items() if with_subjects or k not in {"subject", "sender"}}
            for one in session.old_tails.get(row["mailbox"], [])
        ]
        row["conflicts"] = [asdict(c) for c in conflicts if c.promotion.split("/")[0] == progress.promotion]
    found["seconds"] = dict(seconds)
    directory = options["report_path"] or (session.settings.pipeline.data_directory / "promotions" / progress.promotion)
    page = report.write(directory, found)
    if options["as_json"]:
        click.echo(json.dumps(found | {"report": str(page)}, indent=2))
        return
    for row in found["mailboxes"]:
        note = f"  ({row['note']})" if row["note"] else ""
        merged = f"  old source: {len(row['old_source'])} changes, {len(row['conflicts'])} conflicts"
        click.echo(f"{row['mailbox']}  {row['state']}  {report.sentence_of(row)}{merged}{note}")
        for one in row["old_source"]:
            click.echo(f"    old source: {', '.join(f'{name} {value}' for name, value in one.items() if value)}")
        for one in row["conflicts"]:
            click.echo(f"    conflict: {one['item']} {one['at_source']}, {one['at_target']}: kept {one['kept']}")
    click.echo(f"loss statement: {page}")
