"""`rehearse`: a whole failover on a scratch server from a copy of the log, measured and thrown away."""

import json
import logging
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click

from deploy import exit_codes, kafka, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.preflight import PreflightError, check_mailbox
from deploy.commands.target_mailbox import id_of
from deploy.logs import set_up
from deploy.promotion.office import KafkaOffice
from deploy.registry import Registry
from deploy.rehearsal import left_over, report, rules
from deploy.rehearsal.pipeline import Place, place_of, section_of
from deploy.rehearsal.real_folders import folder_ids
from deploy.rehearsal.rehearsal import Outcome, Rehearsal, RehearsalError
from deploy.rehearsal.scratch import Scratch
from deploy.sections import Settings, SettingsError
from schemas.state import Registration

MAILBOXES_MAX = 3_000
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class InterruptedRehearsal(BaseException):
    """SIGTERM, SIGHUP or Ctrl-C: nothing between the signal and the throwing away may take it for its own failure."""


@click.command()
@config_option
@json_option
@click.argument("mailboxes", nargs=-1, metavar="[MAILBOX]...")
@click.option("--all", "is_all", is_flag=True, help="Every mailbox that is mirrored.")
@click.option(
    "--report", "report_path", type=click.Path(path_type=Path, file_okay=False), help="Where the report goes."
)
@click.option("--keep", is_flag=True, help="At its end leave everything to be looked at; --clean-up takes it away.")
@click.option("--clean-up", is_flag=True, help="Only take away what rehearsals left that ended otherwise.")
def rehearse(
    config: Path,
    as_json: bool,  # noqa: FBT001 - click hands options over so
    mailboxes: tuple[str, ...],
    is_all: bool,  # noqa: FBT001 - as above
    report_path: Path | None,
    keep: bool,  # noqa: FBT001 - as above
    clean_up: bool,  # noqa: FBT001 - as above
) -> None:
    """Fail MAILBOXES (ids or source addresses) over to the scratch server of [rehearsal], and throw it away.

    The pipeline, its servers and its users notice nothing. Exits with 0 only if every mailbox was failed over and
    found as the log says it.
    """
    set_up("ERROR")
    # a transaction refused while the group settles is tried again; it is no news to who watches a rehearsal
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)
    if clean_up and (mailboxes or is_all or keep or report_path):
        raise SettingsError("--clean-up: goes with no other option and no mailbox: it takes away all that is left")
    if not clean_up and bool(mailboxes) == is_all:
        raise SettingsError("name mailboxes or give --all, not both" if is_all else "name mailboxes, or give --all")
    settings = settings_of(config, needs_kafka=True)
    section_of(settings)
    if clean_up:
        _clean_up(settings, as_json=as_json)
        return
    chosen = _chosen(settings, mailboxes)
    _require_safe(settings, chosen)
    place = place_of(settings, secrets.token_hex(rules.NAME_HEX_DIGITS // 2))
    values, outcome = _hold(settings, place, chosen, is_kept=keep, is_quiet=as_json)
    page = report.write(report_path or place.directory, values)
    click.echo(json.dumps(values | {"report": str(page)}, indent=2) if as_json else report.text_of(values), nl=as_json)
    if not as_json:
        click.echo(f"report: {page}")
    if outcome.failure:
        sys.exit(exit_codes.STOPPED)
    sys.exit(exit_codes.OK if outcome.is_good else exit_codes.DIFFERENT)


def _hold(
    settings: Settings, place: Place, chosen: Mapping[str, Registration], *, is_kept: bool, is_quiet: bool
) -> tuple[dict[str, object], Outcome]:
    """Hold a rehearsal and throw it away, however it ends."""

    def say(text: str) -> None:
        with suppress(OSError):  # whoever read it may be gone; throwing away must not depend on that
            click.echo(text, err=is_quiet)

    began_at, cleared = wiring.now_ms(), None
    with closing(left_over.Lock(place)), _signals() as shelter:
        rehearsal = Rehearsal(settings, place, chosen, say)
        is_over = False
        try:
            left_over.note_server(settings, place)
            outcome = rehearsal.run()
            is_over = True
        except InterruptedRehearsal:
            click.echo("mailshadow: interrupted: what was placed is taken away first", err=True)
            sys.exit(exit_codes.INTERRUPTED)
        finally:
            if not (is_kept and is_over):
                shelter()
                say("the rehearsal is thrown away")
                cleared = _thrown_away(settings, place, say)
    return report.values_of(place.name, began_at, outcome, cleared), outcome


def _thrown_away(settings: Settings, place: Place, say: Callable[[str], None]) -> left_over.Cleared:
    try:
        return left_over.clear(settings, place, say, is_mine=True)
    except Exception:
        click.echo("mailshadow: not all of it could be taken away: `mailshadow rehearse --clean-up` goes on", err=True)
        raise


@contextmanager
def _signals() -> Iterator[Callable[[], None]]:
    """Raise InterruptedRehearsal on what ends a process in order; what is given shelters what follows from it."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        raise InterruptedRehearsal

    def shelter() -> None:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)

    before = {number: signal.signal(number, handle) for number in ENDING}
    try:
        yield shelter
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _clean_up(settings: Settings, *, as_json: bool) -> None:
    found = [
        left_over.clear(settings, place, lambda text: click.echo(text, err=as_json))
        for place in left_over.places_left(settings)
    ]
    if as_json:
        click.echo(json.dumps({"rehearsals": [report.cleared_values(one) for one in found]}, indent=2))
    else:
        for one in found:
            click.echo(f"{one.rehearsal}: {report.thrown_text(report.cleared_values(one))}")
        if not found:
            click.echo("no rehearsal left anything")
    sys.exit(exit_codes.OK if all(one.is_clean for one in found) else exit_codes.DIFFERENT)


def _chosen(settings: Settings, mailboxes: Sequence[str]) -> dict[str, Registration]:
    """Return the registrations asked for, with their scratch addresses."""
    connection, topics, section = wiring.kafka_settings(settings), wiring.topics_of(settings), section_of(settings)
    wanted = {topics.control, topics.mailboxes, topics.source_state, topics.changes}
    counts = kafka.partition_counts(connection)
    if missing := wanted - counts.keys():
        raise kafka.TopicsMissingError(
            f"{', '.join(sorted(missing))}: missing or not to be seen: was the feed started?"
        )
    if counts[topics.changes] != connection.partition_count:
        raise kafka.TopicMismatchError(
            f"{topics.changes}: has {counts[topics.changes]} partitions, kafka.partition_count says "
            f"{connection.partition_count}: set it to what the pipeline was begun with"
        )
    with closing(Registry(settings, connection, topics)) as registry:
        known = {r.mailbox: r for r in registry.all()}
    names = [id_of(m) for m in mailboxes] or sorted(known)
    for asked, name in zip(mailboxes or names, names, strict=True):
        if name not in known:
            raise SettingsError(f"{asked}: not mirrored; `mailshadow mailboxes list` shows what is")
    if not 0 < len(names) <= MAILBOXES_MAX:
        raise SettingsError(f"{len(names)} mailboxes: a rehearsal takes 1 to {MAILBOXES_MAX}; name some of them")
    scratch = {n: rules.scratch_address(section, known[n].source) for n in names}
    taken = {settings.source.url: [r.source for r in known.values()]}
    for name, target in settings.targets.items():
        at_target = [r.targets[name] for r in known.values() if name in r.targets]
        taken[target.url] = [*taken.get(target.url, ()), *at_target]
    if wrong := rules.first_taken(section, {known[n].source: a for n, a in scratch.items()}, taken):
        raise RehearsalError(wrong)
    return {n: replace(known[n], targets={section.name: address}) for n, address in scratch.items()}


def _require_safe(settings: Settings, chosen: Mapping[str, Registration]) -> None:
    """Raise unless nobody drives a promotion, and every scratch mailbox is there, empty, and nobody's."""
    connection, topics, section = wiring.kafka_settings(settings), wiring.topics_of(settings), section_of(settings)
    KafkaOffice(connection, topics).refuse_other()
    existing = kafka.partition_counts(connection)
    states = [t for n in settings.targets if (t := topics.target_state(n)) in existing]
    folders = folder_ids(connection, [topics.source_state, *states])
    with closing(Scratch(section)) as scratch:
        for registration in chosen.values():
            address = registration.targets[section.name]
            finding = check_mailbox(section, "target", address)
            if not finding.is_good:
                raise PreflightError(f"rehearsal: {finding.subject}: {finding.text}", finding.exit_code)
            scratch.require_nobodys(address, folders)
