"""`migrate watch`, `close` and `report`: what becomes of a wave once its users work at the target."""

import json
import sys
from collections import Counter
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
from deploy.migration import telling
from deploy.migration.book import Book, Contents
from deploy.migration.outlook import Outlook, WaveView
from deploy.migration.refusal import NotReadyError
from deploy.migration.stages import Command, after
from deploy.promotion.office import KafkaOffice, operator_name
from deploy.promotion.tail import Left, read_tails
from deploy.promotion.turned import is_lossy, turned
from deploy.sections import Settings, SettingsError
from deploy.verification import knowledge
from deploy.verification.result import MailboxResult
from schemas.change import Form
from schemas.state import Wave

COMPARE_WAIT_SECONDS = 10.0
MAILBOXES_AT_ONCE = 20


@click.command()
@config_option
@json_option
@click.argument("name", metavar="WAVE")
@click.option("--merge", "is_merging", is_flag=True, help="Bring what is found over to the target; users stay there.")
@click.option("--with-subjects", is_flag=True, help="Name subject and sender of what is found.")
def watch(config: Path, name: str, *, as_json: bool, is_merging: bool, with_subjects: bool) -> None:
    """Read what came to the old source of WAVE since its barrier: mail that went astray, users who stayed behind."""
    if as_json and is_merging:
        raise SettingsError("--json and --merge: give one of them; --merge tells people what it brings over")
    settings = settings_of(config, needs_kafka=True)
    wiring.prepare_topics(settings)
    with Outlook(settings) as outlook:
        contents = Book(settings).read()
        view = outlook.of(contents, contents.wave(name))
        after(name, view.stage, Command.WATCH)
        code = _merge(settings, contents, view) if is_merging else exit_codes.OK
        tails = _tails(settings, view)
    rows = [_row(m.mailbox, tails.get(m.mailbox), with_subjects=with_subjects) for m in view.promoted]
    if as_json:
        click.echo(json.dumps({"wave": name, "strays": rows}, indent=2))
    else:
        for one in rows:
            click.echo(_line(one))
    sys.exit(code or _code(rows))


def _tails(settings: Settings, view: WaveView) -> Mapping[str, list[Left]]:
    return read_tails(settings, {m.mailbox: m.source for m in view.promoted})


def _row(mailbox: str, tail: Sequence[Left] | None, *, with_subjects: bool = False) -> dict[str, Any]:
    kinds = Counter(left.kind for left in tail or ())
    names = ("kind", "item", "item_id", *(("subject", "sender") if with_subjects else ()))
    listed = [{n: getattr(left, n) for n in names} for left in tail or ()]
    return {"mailbox": mailbox, "read": tail is not None, "kinds": dict(sorted(kinds.items())), "strays": listed}


def _line(one: Mapping[str, Any]) -> str:
    if not one["read"]:
        return f"{one['mailbox']}  the old source does not let it be read to its end"
    counts = ", ".join(f"{number} {kind}" for kind, number in one["kinds"].items()) or "nothing came"
    subjects = "".join(f"\n    {s['subject']}  from {s['sender']}" for s in one["strays"] if s.get("subject"))
    return f"{one['mailbox']}  {counts}{subjects}"


def _code(rows: Sequence[Mapping[str, Any]]) -> int:
    if any(not one["read"] for one in rows):
        return exit_codes.SOURCE_UNREACHABLE
    return exit_codes.WORD_NEEDED if any(one["strays"] for one in rows) else exit_codes.OK


def _merge(settings: Settings, contents: Contents, view: WaveView) -> int:
    """Have the old source read on and what it has brought over, as a failback begins; return the exit code."""
    back = turned(settings, view.wave.target)
    wiring.prepare_topics(back)
    options = {
        "is_merging": True, "is_mirror": False, "is_resumed": False, "is_undone": False, "with_subjects": False,
        "as_json": False, "report_path": None, "close_seconds": 60.0, "accept": (),
        "reason": f"strays of wave {view.wave.wave}",
    }  # fmt: skip
    with closing(KafkaOffice(wiring.kafka_settings(back), wiring.topics_of(back))) as office:
        if contents.in_hand and contents.promotion and contents.promotion.stage == "STRAYS":
            return failback.go_on(settings, back, office, options)
        known = [failback.turned_registration(m, settings.source.name, view.wave.target) for m in view.promoted]
        return failback.lead_back(settings, back, office, known, options, stage="STRAYS")


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
    tails = _tails(settings, view)
    rows = [_row(m.mailbox, tails.get(m.mailbox)) for m in view.promoted]
    if left := [_line(one) for one in rows if one["strays"] or not one["read"]]:
        listed = "\n".join(f"  {text}" for text in left)
        raise NotReadyError(
            f"wave {view.wave.wave} is not closed: its old source holds what nobody brought over:\n{listed}\n"
            "`migrate watch --merge` brings it over, `--accept` closes all the same"
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
