"""`failover`: promote mailboxes to a target, planned or with the source lost; resume, undo, and what was lost."""

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from deploy import exit_codes, wiring
from deploy.commands.failover_told import parts, state_losses, tell, tell_plan
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.promoting import MAILBOXES_MAX, Session, mirrored
from deploy.commands.target_mailbox import id_of, require_target_name
from deploy.kafka import KafkaUnreachableError
from deploy.promotion.conduct import StoppedError
from deploy.promotion.course import Coordinator
from deploy.promotion.office import KafkaOffice, operator_name
from deploy.promotion.watch import Watch
from deploy.sections import Settings, SettingsError
from schemas.failover import USERS_AT_TARGET, Stage, State, diagram
from schemas.state import Promoted, Promotion, Registration


@click.command()
@config_option
@json_option
@click.argument("mailboxes", nargs=-1, metavar="[MAILBOX]...")
@click.option("--all", "is_all", is_flag=True, help="Every mailbox that the target mirrors.")
@click.option("--to", "target", default="", metavar="TARGET", help="Target to open, by its name in the settings.")
@click.option("--source-lost", is_flag=True, help="The source can't be asked: end its role at once.")
@click.option("--dry-run", is_flag=True, help="Say the steps, the time expected and the loss there would be now.")
@click.option("--accept", multiple=True, metavar="MAILBOX|all", help="Promote it although it is not as it should be.")
@click.option("--leave", multiple=True, metavar="MAILBOX|all", help="With --resume: leave it (or all not open) behind.")
@click.option("--resume", "is_resumed", is_flag=True, help="Go on with what a dead or stopped command left.")
@click.option("--undo", "is_undone", is_flag=True, help="Lead back what was not led to the target yet.")
@click.option("--tail", "is_tail", is_flag=True, help="Read what the old source holds beyond the last promotion.")
@click.option("--states", is_flag=True, help="Print the table of states as a Mermaid diagram.")
@click.option("--with-subjects", is_flag=True, help="Name subject and sender of what is missing.")
@click.option("--reason", default="ordered by an operator", show_default=True, help="Kept with the barrier.")
@click.option(
    "--close-seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    help="Planned: read the source at most so long.",
)
@click.option(
    "--report", "report_path", type=click.Path(path_type=Path, file_okay=False), help="Where the loss statement goes."
)
def failover(config: Path, mailboxes: tuple[str, ...], **options: Any) -> None:
    """Open a target for MAILBOXES: planned from a living source, or --source-lost."""
    if options["states"]:
        click.echo(diagram())
        return
    settings = settings_of(config, needs_kafka=True)
    _refuse_nonsense(settings, mailboxes, options)
    office = KafkaOffice(wiring.kafka_settings(settings), wiring.topics_of(settings))
    code = exit_codes.OK
    with closing(office):
        if options["is_tail"]:
            _tell_tail(settings, office, options)
        elif options["is_resumed"] or options["is_undone"]:
            code = go_on(settings, office, options)
        else:
            code = promote(settings, office, _chosen(settings, mailboxes, options["target"]), options)
    if code:
        sys.exit(code)


def _refuse_nonsense(settings: Settings, mailboxes: Sequence[str], options: Mapping[str, Any]) -> None:
    again = [f"--{n}" for n in ("resumed", "undone", "tail") if options[f"is_{n}"]]
    names = {"--resumed": "--resume", "--undone": "--undo"}
    again = [names.get(n, n) for n in again]
    if options["leave"] and not options["is_resumed"]:
        raise SettingsError("--leave: only with --resume: it leaves a mailbox of the promotion there is at the source")
    if len(again) > 1:
        raise SettingsError(f"{' and '.join(again)}: give one of them")
    if again:
        if mailboxes or options["is_all"] or options["target"] or options["dry_run"]:
            raise SettingsError(f"{again[0]} goes on with the promotion there is: name no mailboxes and no target")
        if options["source_lost"] and not options["is_resumed"]:
            raise SettingsError(f"{again[0]}: --source-lost makes no difference there; --resume takes it")
        return
    if not options["target"]:
        raise SettingsError(f"--to: missing; the settings have {', '.join(settings.targets)}")
    require_target_name(settings, options["target"])
    if bool(mailboxes) == options["is_all"]:
        raise SettingsError(
            "name mailboxes, or give --all" if not mailboxes else "name mailboxes or give --all, not both"
        )
    _refuse_lagged(settings, options["target"])


def _refuse_lagged(settings: Settings, target: str) -> None:
    if hold_seconds := settings.targets[target].hold_seconds:
        raise SettingsError(
            f"targets.{target}.hold_seconds: this target is {hold_seconds:g} s behind on purpose; promote "
            "another one, or set it to 0 and start its replay again"
        )


def _session(
    settings: Settings, target: str, known: Sequence[Registration], options: Mapping[str, Any], *, is_source_lost: bool
) -> Session:
    connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
    return Session(
        settings=settings,
        target=target,
        known={r.mailbox: r for r in known},
        watch=Watch(connection, topics, target),
        is_quiet=options["as_json"],
        close_seconds=options["close_seconds"],
        is_source_lost=is_source_lost,
    )


def _registered(settings: Settings, target: str) -> dict[str, Registration]:
    return {r.mailbox: r for r in mirrored(settings) if target in r.targets}


def _chosen(settings: Settings, mailboxes: Sequence[str], target: str) -> list[Registration]:
    known = _registered(settings, target)
    names = [id_of(m) for m in mailboxes] if mailboxes else sorted(known)
    for asked, name in zip(mailboxes or names, names, strict=True):
        if name not in known:
            raise SettingsError(f"{asked}: not mirrored to {target}; `mailshadow mailboxes list` shows what is")
    if not 0 < len(names) <= MAILBOXES_MAX:
        raise SettingsError(f"{len(names)} mailboxes: a promotion takes 1 to {MAILBOXES_MAX}; name some of them")
    return [known[name] for name in dict.fromkeys(names)]


def _accepted(names: Sequence[str], chosen: Sequence[str]) -> set[str]:
    if "all" in names:
        return set(chosen)
    accepted = {id_of(name) for name in names}
    if strangers := accepted - set(chosen):
        raise SettingsError(
            f"--accept {', '.join(sorted(strangers))}: not part of this promotion, or left out of it at its check"
        )
    return accepted


def promote(
    settings: Settings,
    office: KafkaOffice,
    known: Sequence[Registration],
    options: Mapping[str, Any],
    promotion_id: str = "",
    withdrawn: Callable[[], str] = lambda: "",
) -> int:
    """Promote mailboxes to `options["target"]`, tell what was lost, and return the exit code; `options` are these.

    A caller that has to know the promotion after its own death gives the id; `withdrawn` is asked once it stands in the
    log, before anything is done: a reason ends it there.
    """
    target = options["target"]
    _refuse_lagged(settings, target)
    accepted = _accepted(options["accept"], [r.mailbox for r in known])
    session = _session(settings, target, known, options, is_source_lost=options["source_lost"])
    with closing(session.watch):
        if options["dry_run"]:
            tell_plan(session, options, accepted)
            return exit_codes.OK
        office.refuse_other()  # who drives already is the first thing to be told
        _require_replay(session)
        now = wiring.now_ms()
        promotion = Promotion(
            promotion=promotion_id or secrets.token_hex(6),
            target=target,
            planned=not options["source_lost"],
            reason=options["reason"],
            stage=Stage.CHECK,
            failure="",
            operator=operator_name(),
            since=now,
            began_at=now,
            beat=0,
            mailboxes=tuple(
                Promoted(mailbox=r.mailbox, state=State.MIRRORING, accepted=r.mailbox in accepted) for r in known
            ),
        )
        office.begin(promotion)
        if why := withdrawn():
            office.commit(replace(promotion, stage=Stage.UNDONE, failure=why))
            click.echo(f"mailshadow: nothing was promoted: {why}", err=True)
            return exit_codes.STOPPED
        return _drive(session, Coordinator(session.course(office), promotion), options)


def _require_replay(session: Session) -> None:
    if not session.members(wiring.topics_of(session.settings).replay_group(session.target)):
        raise SettingsError(
            f"no replay of {session.target} runs, so nothing would be drained: start `mailshadow replay --target "
            f"{session.target}` first"
        )


def go_on(settings: Settings, office: KafkaOffice, options: Mapping[str, Any]) -> int:
    """Go on with the promotion there is, or undo it; return the exit code."""
    if (newest := office.newest()) and newest.target == settings.source.name:
        raise SettingsError("the promotion there is leads back: go on with `mailshadow failback`")
    found = office.resume(operator_name(), wiring.now_ms(), lambda text: click.echo(text, err=options["as_json"]))
    accepted = _accepted(options["accept"], [o.mailbox for o in found.mailboxes if not o.left_out])
    if options["source_lost"] and found.planned:
        # the source died in the middle: what waits for it to be read is fenced now
        found = replace(found, planned=False, stage=Stage.CLOSE if found.stage == Stage.FENCE else found.stage)
    found = replace(
        found, mailboxes=tuple(replace(o, accepted=o.accepted or o.mailbox in accepted) for o in found.mailboxes)
    )
    registered = _registered(settings, found.target)
    known = [registered[o.mailbox] for o in found.mailboxes if o.mailbox in registered]
    if len(known) < len(found.mailboxes):
        raise SettingsError("a mailbox of this promotion is not registered any more; put it back, then --resume")
    session = _session(settings, found.target, known, options, is_source_lost=not found.planned)
    with closing(session.watch):
        if found.stage != Stage.UNDO and not options["is_undone"]:
            _require_replay(session)
        return _drive(session, Coordinator(session.course(office), found), options)


def _left(names: Sequence[str], progress: Promotion) -> list[str]:
    """Return which mailboxes of a promotion are to be left at the source."""
    part = parts(progress)
    unopened = {o.mailbox for o in part if State(o.state) not in USERS_AT_TARGET}
    chosen = unopened if "all" in names else {id_of(name) for name in names}
    if strangers := chosen - {o.mailbox for o in part}:
        raise SettingsError(f"--leave {', '.join(sorted(strangers))}: not part of this promotion, or left out already")
    if names and len(chosen) == len(part):
        raise SettingsError("--leave: nobody else is part of this promotion; `failover --undo` leads all back")
    return sorted(chosen)


def _drive(session: Session, coordinator: Coordinator, options: Mapping[str, Any]) -> int:
    failure = ""
    try:
        if options["is_undone"]:
            coordinator.undo()
        elif left := _left(options["leave"], coordinator.progress):
            coordinator.leave(left)
        else:
            coordinator.run()
    except StoppedError as stopped:
        failure = str(stopped)
    progress = coordinator.progress
    found = state_losses(session, progress, options) | {"seconds": coordinator.seconds}
    tell(session, progress, found, options)
    if failure:
        click.echo(f"mailshadow: {failure}", err=True)
        return exit_codes.STOPPED
    if progress.stage == Stage.UNDONE and progress.failure:
        click.echo(f"mailshadow: nothing was promoted: {progress.failure}", err=True)
        return exit_codes.WORD_NEEDED if not parts(progress) else exit_codes.STOPPED
    return exit_codes.WORD_NEEDED if any(o.left_out for o in progress.mailboxes) else exit_codes.OK


def _tell_tail(settings: Settings, office: KafkaOffice, options: Mapping[str, Any]) -> None:
    """Complete the statement of the last promotion with what its old source holds, now that it answers."""
    progress = office.newest()
    if progress is None or progress.target not in settings.targets:
        raise SettingsError("--tail: there was no promotion yet, or the last one led back: see `mailshadow failback`")
    registered = _registered(settings, progress.target)
    known = [registered[o.mailbox] for o in parts(progress) if o.mailbox in registered]
    session = _session(settings, progress.target, known, options, is_source_lost=False)
    with closing(session.watch):
        session.read_tails(list(session.known))
        tell(session, progress, state_losses(session, progress, options), options)
        if missing := [m for m in session.known if m not in session.tails]:
            raise KafkaUnreachableError(f"{len(missing)} mailboxes could not be read at the source; try again")
