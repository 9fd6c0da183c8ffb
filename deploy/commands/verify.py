"""`verify`: compare mailboxes of the source with every target, item by item; repair what differs; report it signed."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from consumers.exchange_target import ExchangeTarget
from deploy import exit_codes, wiring
from deploy.commands.options import config_option, json_option, settings_of
from deploy.exchange import Session
from deploy.ordering import write_order
from deploy.registry import Registry
from deploy.sections import ServerSection, Settings, SettingsError
from deploy.throttle import Throttle
from deploy.verification import knowledge
from deploy.verification.full_form import FullFormReader
from deploy.verification.looking import Addresses, Deepen, Looking, TargetReading
from deploy.verification.paced import PacedSession
from deploy.verification.report import ReportDirectory, Run, counts, repairs, whole
from deploy.verification.result import MailboxResult
from deploy.verification.signature import SignatureError, is_genuine, read_or_make_key, signed
from deploy.verification.verification import Pipeline, Verification
from producers.exchange_source import ExchangeSource
from schemas.identity import mailbox_id, partition_of, target_id
from schemas.metrics import SessionMetrics
from schemas.roles import OrderKind
from schemas.state import Order, Registration

MAILBOXES_AT_ONCE_MAX = 20
"""How many mailboxes' state is read from Kafka, and held in memory, together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asked for."""

    is_deep: bool
    is_repairing: bool
    calls_per_second: float
    wait_seconds: float


@click.command()
@config_option
@json_option
@click.argument("mailboxes", nargs=-1)
@click.option("--target", default="", help="Only this target; all by default.")
@click.option("--deep", is_flag=True, help="Read every item in full on both sides: bodies, headers, attachments.")
@click.option("--repair", is_flag=True, help="Have the source say again what differs. Never touches foreign items.")
@click.option("--report", type=click.Path(path_type=Path), help="Directory of the report; continued if interrupted.")
@click.option("--key", type=click.Path(path_type=Path), help="Key that signs; default: verify.key in data_directory.")
@click.option("--check", type=click.Path(path_type=Path), help="Only test the signature of this report.json.")
@click.option("--calls-per-second", default=20.0, show_default=True, type=click.FloatRange(0.1, 1000), help="A server.")
@click.option("--wait", default=60.0, show_default=True, type=click.FloatRange(0, 3600), help="Seconds a mailbox.")
def verify(  # noqa: PLR0913 - one argument an option
    *,
    config: Path,
    as_json: bool,
    mailboxes: tuple[str, ...],
    target: str,
    deep: bool,
    repair: bool,
    report: Path | None,
    key: Path | None,
    check: Path | None,
    calls_per_second: float,
    wait: float,
) -> None:
    """Compare MAILBOXES (ids or source addresses; all by default) with the targets; 0 only if they are equal."""
    settings = settings_of(config, needs_kafka=check is None)
    secret = read_or_make_key(key or _key_path(settings))
    if check is not None:
        sys.exit(_check(check, secret))
    if target and target not in settings.targets:
        raise SettingsError(f"--target {target}: the settings have {', '.join(settings.targets)}")
    wish = Wish(is_deep=deep, is_repairing=repair, calls_per_second=calls_per_second, wait_seconds=wait)
    targets = (target,) if target else tuple(settings.targets)
    run = Run(
        pipeline=settings.pipeline.name, source=settings.source.name, targets=targets, is_deep=deep,
        is_repairing=repair, began_at=wiring.iso_time(wiring.now_ms()),
    )  # fmt: skip
    directory = ReportDirectory(report, run) if report else None
    results = _results(settings, mailboxes, targets, wish, directory)
    ended_at = wiring.iso_time(wiring.now_ms())
    if directory:
        click.echo(f"report: {directory.finish(ended_at, secret)}", err=True)
    if as_json:
        click.echo(json.dumps(signed(whole(directory.run if directory else run, results, ended_at), secret), indent=2))
    else:
        _print(results)
    sys.exit(exit_codes.OK if all(r.is_equal for r in results) else exit_codes.DIFFERENT)


def _key_path(settings: Settings) -> Path:
    directory = settings.pipeline.data_directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SignatureError(f"{directory}: the signing key has no place there: {error.strerror}; see --key") from error
    return directory / "verify.key"


def _check(path: Path, secret: bytes) -> int:
    try:
        report: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SignatureError(f"{path}: can't be read as JSON; name a report.json of `mailshadow verify`") from error
    is_good = is_genuine(report, secret)
    click.echo(f"{path}: {'as it was signed' if is_good else 'CHANGED since it was signed, or signed by another key'}")
    return exit_codes.OK if is_good else exit_codes.DIFFERENT


def _results(
    settings: Settings,
    mailboxes: tuple[str, ...],
    targets: tuple[str, ...],
    wish: Wish,
    directory: ReportDirectory | None,
) -> list[MailboxResult]:
    registrations = _chosen(settings, mailboxes)
    results = list(directory.done) if directory else []
    done = {(r.mailbox, r.target) for r in results}
    left = {t: [r for r in registrations if t in r.targets and (r.mailbox, t) not in done] for t in targets}
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("mailboxes", total=sum(map(len, left.values())))
        for target, wanted in left.items():
            for result in verified(settings, target, wanted, wish):
                results.append(result)
                if directory:
                    directory.add(result)
                progress.advance(task)
    chosen = {r.mailbox for r in registrations}
    return [r for r in results if r.mailbox in chosen]


def _chosen(settings: Settings, mailboxes: tuple[str, ...]) -> list[Registration]:
    """Return the registrations asked for; SettingsError for one nobody registered."""
    connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
    wiring.prepare_topics(settings)
    registry = Registry(settings, connection, topics)
    known = {r.mailbox: r for r in registry.all()}
    registry.close()
    names = [mailbox_id(m) if "@" in m else m for m in mailboxes]
    for name, given in zip(names, mailboxes, strict=True):
        if name not in known:
            raise SettingsError(f"{given}: no such mailbox; `mailshadow mailboxes list` shows the known ones")
    return [known[n] for n in dict.fromkeys(names)] if names else list(known.values())


def verified(settings: Settings, target: str, wanted: list[Registration], wish: Wish) -> Iterator[MailboxResult]:
    """Yield a result a mailbox, those of one partition together."""
    connection, topics = wiring.kafka_settings(settings), wiring.topics_of(settings)

    def know(mailbox: str) -> knowledge.MailboxKnowledge:
        return knowledge.read(connection, topics, target, [mailbox])[mailbox]

    def want(mailbox: str, items: tuple[str, ...]) -> None:
        order = Order(
            mailbox=mailbox, kind=OrderKind.WANT, items=items, target=target, reason="repair", issued_at=wiring.now_ms()
        )
        write_order(connection, topics, order)

    with ExitStack() as stack:
        source = _session(settings.source, wish.calls_per_second, stack)
        other = _session(settings.targets[target], wish.calls_per_second, stack)
        deepen: Deepen | None = (
            (lambda flags: (FullFormReader(source, with_flags=flags), FullFormReader(other, with_flags=flags)))
            if wish.is_deep
            else None
        )
        stamp_name = target_id(settings.pipeline.name, target)
        reading = ExchangeSource(source)
        target_server = ExchangeTarget(other)
        at_target = TargetReading(listing=target_server.listing, folder=target_server.folder, root=target_server.root)
        looking = Looking(reading.hierarchy, reading.listing, at_target, stamp_name, deepen)
        verification = Verification(target, looking, Pipeline(know=know, want=want), wish.wait_seconds)
        by_partition = sorted(wanted, key=lambda r: (partition_of(r.mailbox, connection.partition_count), r.mailbox))
        for start in range(0, len(by_partition), MAILBOXES_AT_ONCE_MAX):
            part = by_partition[start : start + MAILBOXES_AT_ONCE_MAX]
            known = knowledge.read(connection, topics, target, [r.mailbox for r in part])
            for registration in part:
                addresses = Addresses(source=registration.source, target=registration.targets[target])
                yield verification.verify(
                    registration.mailbox, addresses, known.pop(registration.mailbox), is_repairing=wish.is_repairing
                )


def _session(section: ServerSection, calls_per_second: float, stack: ExitStack) -> PacedSession:
    session = Session(wiring.server_settings(section), Throttle(), SessionMetrics(CollectorRegistry()))
    stack.enter_context(closing(session))
    return PacedSession(session, calls_per_second)


def _print(results: list[MailboxResult]) -> None:
    table = Table("mailbox", "target", "folders equal", "items", "foreign", "behind", "differs", "repairs", "verdict")
    for r in results:
        table.add_row(
            r.mailbox, r.target, f"{r.folders_equal} of {r.folders}", f"{r.items_source} / {r.items_target}",
            str(r.foreign), counts(r.behind), counts(r.by_kind), repairs(r.repairs_ordered, r.repaired),
            r.failure or ("equal" if r.is_equal else "not equal"),
        )  # fmt: skip
    Console().print(table)
    for r in results:
        for d in r.divergences:
            where = f"  ({', '.join(d.fields)})" if d.fields else ""
            note = (
                ""
                if d.is_repairable
                else "  left alone: not the ledger's"
                if d.item
                else "  `mailboxes resync` mends it"
            )
            click.echo(f"{r.target}  {r.mailbox}  {d.kind}  {d.item or d.folder_id}{where}{note}")
