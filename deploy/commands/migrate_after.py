"""`migrate watch`, `close` and `report`: what becomes of a wave once its users work at the target."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from deploy import exit_codes, wiring
from deploy.commands import failback
from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.verify import Wish, verified
from deploy.migration import report as pages
from deploy.migration import strays, telling
from deploy.migration.book import Book, Contents
from deploy.migration.outlook import Outlook, WaveView
from deploy.migration.refusal import NotReadyError
from deploy.migration.stages import Command, after
from deploy.promotion.office import KafkaOffice, operator_name
from deploy.promotion.tail import read_tails
from deploy.promotion.turned import is_lossy, turned
from deploy.sections import Settings, SettingsError
from deploy.verification import knowledge
from deploy.verification.result import MailboxResult
from schemas.change import Form
from schemas.failover import Stage
from schemas.state import Wave

COMPARE_WAIT_SECONDS = 10.0
MAILBOXES_AT_ONCE = 20


@click.command()
@config_option
@json_option
@click.argument("name", metavar="WAVE")
@click.option("--merge", "is_merging", is_flag=True, help="Bring what is found over to the target; users stay there.")
@click.option("--with-deletions", is_flag=True, help="Of --merge: what was deleted there is deleted at the target too.")
@click.option("--with-subjects", is_flag=True, help="Name subject and sender of what is found.")
def watch(config: Path, name: str, **options: bool) -> None:
    """Read what came to the old source of WAVE since its barrier: mail that went astray, users who stayed behind."""
    as_json, is_merging, with_deletions = options["as_json"], options["is_merging"], options["with_deletions"]
    if as_json and is_merging:
        raise SettingsError("--json and --merge: give one of them; --merge tells people what it brings over")
    if with_deletions and not is_merging:
        raise SettingsError("--with-deletions: it is about --merge; give both")
    settings = settings_of(config, needs_kafka=True)
    wiring.prepare_topics(settings)
    with Outlook(settings) as outlook:
        contents = Book(settings).read()
        view = outlook.of(contents, contents.wave(name))
        after(name, view.stage, Command.WATCH)
        code = _merge(settings, contents, view, with_deletions=with_deletions) if is_merging else exit_codes.OK
        if is_merging:
            view = outlook.of(contents, view.wave)
        rows = _rows_of(settings, view, with_subjects=options["with_subjects"])
    if as_json:
        click.echo(json.dumps({"wave": name, "strays": rows}, indent=2))
    else:
        for one in rows:
            click.echo(strays.line(one))
    sys.exit(code or _code(rows))


def _rows_of(settings: Settings, view: WaveView, *, with_subjects: bool = False) -> list[dict[str, Any]]:
    tails = read_tails(settings, {m.mailbox: m.source for m in view.promoted})
    return [
        strays.row(m.mailbox, tails.get(m.mailbox), view.picture.of(m.mailbox), with_subjects=with_subjects)
        for m in view.promoted
    ]


def _code(rows: Sequence[Mapping[str, Any]]) -> int:
    if any(not one["read"] for one in rows):
        return exit_codes.SOURCE_UNREACHABLE
    return exit_codes.OK if all(map(strays.is_clean, rows)) else exit_codes.WORD_NEEDED


def _merge(settings: Settings, contents: Contents, view: WaveView, *, with_deletions: bool) -> int:
    """Have the old source read on and what it has brought over, as a failback begins; return the exit code."""
    back = turned(settings, view.wave.target)
    wiring.prepare_topics(back)
    options = {
        "is_merging": True, "is_mirror": False, "is_resumed": False, "is_undone": False, "with_subjects": False,
        "with_deletions": with_deletions,
        "as_json": False, "report_path": None, "close_seconds": 60.0, "accept": (),
        "reason": f"strays of wave {view.wave.wave}",
    }  # fmt: skip
    with closing(KafkaOffice(wiring.kafka_settings(back), wiring.topics_of(back))) as office:
        if strays.is_to_be_resumed(contents, view.promoted):
            return failback.go_on(settings, back, office, options)
        known = [failback.turned_registration(m, settings.source.name, view.wave.target) for m in view.promoted]
        return failback.lead_back(settings, back, office, known, options, stage=Stage.STRAYS)


@click.command()
@config_option
@click.argument("name", metavar="WAVE")
@click.option("--accept", "is_accepting", is_flag=True, help="Although strays were found, or the source can't be read.")
def close(config: Path, name: str, *, is_accepting: bool) -> None:
    """End the stray watch of WAVE: its old source is not looked at any more, and may go."""
    settings = settings_of(config, needs_kafka=True)
    wiring.prepare_topics(settings)
    book = Book(settings)
    with Outlook(settings) as outlook:
        contents = book.read()
        view = outlook.of(contents, contents.wave(name))
        after(name, view.stage, Command.CLOSE)
        if not is_accepting:
            _refuse_strays(settings, view)

        def decide(now: Contents) -> Sequence[Wave]:
            after(name, outlook.of(now, now.wave(name)).stage, Command.CLOSE)
            if now.promotion and now.in_hand and {o.mailbox for o in now.promotion.mailboxes} & _ids(view):
                raise NotReadyError(f"wave {name}: promotion {now.in_hand} of its mailboxes is not at its end")
            return [replace(now.wave(name), closed_at=wiring.now_ms(), closed_by=operator_name())]

        contents = book.change(decide)
        click.echo(telling.line(outlook.of(contents, contents.wave(name))))


def _ids(view: WaveView) -> set[str]:
    return {m.mailbox for m in view.members}


def _refuse_strays(settings: Settings, view: WaveView) -> None:
    if left := [strays.line(one) for one in _rows_of(settings, view) if not strays.is_clean(one)]:
        listed = "\n".join(f"  {text}" for text in left)
        raise NotReadyError(
            f"wave {view.wave.wave} is not closed: what came to its old source is not all at the target:\n{listed}\n"
            "`migrate watch --merge` brings over what can be, `--accept` closes all the same"
        )


@click.command()
@config_option
@json_option
@click.argument("name", metavar="WAVE")
@click.option("--report", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the pages go.")
@click.option("--compare", "is_comparing", is_flag=True, help="Also compare both servers item by item, now.")
@click.option("--with-addresses", is_flag=True, help="Name users by their addresses too.")
def report(config: Path, name: str, directory: Path | None, **options: Any) -> None:
    """Say for every user of WAVE: items, losses by kind, and a grade."""
    settings = settings_of(config, needs_kafka=True)
    wiring.prepare_topics(settings)
    with Outlook(settings) as outlook:
        contents = Book(settings).read()
        view = outlook.of(contents, contents.wave(name))
    compared = _compared(settings, view) if options["is_comparing"] else {}
    rows = _rows(settings, view, compared)
    if options["with_addresses"]:
        rows = [one | {"address": m.source} for one, m in zip(rows, view.members, strict=True)]
    found = pages.whole(view, rows, wiring.iso_time(wiring.now_ms()))
    page = pages.write(directory or settings.pipeline.data_directory / "migration" / name, found)
    click.echo(json.dumps(found, indent=2) if options["as_json"] else pages.text_of(found), nl=options["as_json"])
    click.echo(f"report: {page}", err=True)


def _compared(settings: Settings, view: WaveView) -> dict[str, MailboxResult]:
    wish = Wish(is_deep=False, is_repairing=False, calls_per_second=20.0, wait_seconds=COMPARE_WAIT_SECONDS)
    copied = [m for m, s in zip(view.members, view.standings, strict=True) if s.is_copied]
    return {r.mailbox: r for r in verified(settings, view.wave.target, copied, wish)}


def _rows(settings: Settings, view: WaveView, compared: Mapping[str, MailboxResult]) -> list[dict[str, Any]]:
    connection, topics, target = wiring.kafka_settings(settings), wiring.topics_of(settings), view.wave.target
    section = settings.targets[target]
    alone = replace(settings, targets={target: section})
    is_portable = section.portable_only or is_lossy(alone) or Form.STREAM not in settings.feed.forms
    rows: list[dict[str, Any]] = []
    for start in range(0, len(view.members), MAILBOXES_AT_ONCE):
        part = [m.mailbox for m in view.members[start : start + MAILBOXES_AT_ONCE]]
        known = knowledge.read(connection, topics, target, part)
        for number, mailbox in enumerate(part, start):
            rows.append(pages.row(view, number, known.pop(mailbox), compared.get(mailbox), is_portable=is_portable))
    return rows
