"""`migrate cut-over` and `roll-back`: the two ways users move, both driven by what promotes mailboxes anyway.

Order: the id of the promotion is written to the wave before it begins, so whoever comes after a death knows it.
Failure: dead anywhere, the same command goes on: with the promotion in hand where there is one, else with who is left.
"""

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import click

from deploy import exit_codes, wiring
from deploy.commands import failback, failover
from deploy.commands.options import config_option, json_option, settings_of
from deploy.migration import changed, telling
from deploy.migration.book import Book, Contents
from deploy.migration.outlook import Outlook, WaveView
from deploy.migration.refusal import NotReadyError
from deploy.migration.stages import Command, Stage, after
from deploy.migration.window import Window, window_of
from deploy.promotion.office import KafkaOffice
from deploy.promotion.turned import TurnedSettings, turned
from deploy.sections import Settings, SettingsError
from schemas.failover import Stage as FailoverStage
from schemas.state import Registration, Wave

WAIT_SECONDS_MAX = 30 * 24 * 3600
LOOK_SECONDS = 1.0
close_seconds_option = click.option(
    "--close-seconds", type=click.FloatRange(1, 3600), default=60.0, show_default=True,
    help="Read a server to its end at most so long.",
)  # fmt: skip


@click.command("cut-over")
@config_option
@click.argument("name", metavar="WAVE")
@click.option("--wait", "is_waiting", is_flag=True, help="Wait until the window opens.")
@close_seconds_option
def cut_over(config: Path, name: str, *, is_waiting: bool, close_seconds: float) -> None:
    """Promote the mailboxes of WAVE, approved and inside its window; again after a stop or a death, to go on."""
    settings = settings_of(config, needs_kafka=True)
    wiring.prepare_topics(settings)
    with Outlook(settings) as outlook:
        code = CutOver(settings, outlook, Book(settings), name, close_seconds).run(is_waiting=is_waiting)
    if code:
        sys.exit(code)


@dataclass(slots=True)
class CutOver:
    """One run of the command; `tried` are the mailboxes that a promotion of this run left out."""

    settings: Settings
    outlook: Outlook
    book: Book
    name: str
    close_seconds: float
    sleep: Callable[[float], None] = time.sleep
    tried: set[str] = field(default_factory=set)

    def run(self, *, is_waiting: bool) -> int:
        """Promote until nobody is left that can go, or the window is over; return the exit code."""
        contents = self.book.read()
        view = self.outlook.of(contents, contents.wave(self.name))
        after(self.name, view.stage, Command.CUT_OVER)
        if contents.in_hand in view.wave.promotions:
            self._refuse_unbegun(contents, view)
            click.echo(f"wave {self.name}: promotion {contents.in_hand} is gone on with")
            code = self._with_office(lambda office: failover.go_on(self.settings, office, self._options(view)))
            if code == exit_codes.STOPPED:
                return code
            self._note_left()
        else:
            self._await_window(self._window(view), is_waiting=is_waiting)
        while part := self._next():
            if (code := self._promote(part)) == exit_codes.STOPPED:
                return code
            self._note_left()
        return self._end()

    def _window(self, view: WaveView) -> Window:
        if (found := window_of(view.wave)) is None:
            raise SettingsError(f"wave {self.name} has no window: `mailshadow migrate schedule` gives it one")
        return found

    def _await_window(self, window: Window, *, is_waiting: bool) -> None:
        now = datetime.now(UTC)
        if window.is_over(now):
            raise NotReadyError(
                f"wave {self.name}: its window closed at {window.closes.isoformat()}; nothing was begun. "
                f"`mailshadow migrate schedule {self.name}` gives it another one"
            )
        seconds = window.seconds_until_open(now)
        if seconds and not is_waiting:
            raise NotReadyError(
                f"wave {self.name}: its window opens at {window.opens.isoformat()}, in {seconds:.0f} s; `--wait` waits"
            )
        if seconds:
            click.echo(f"wave {self.name}: waits {seconds:.0f} s until its window opens")
        while seconds := window.seconds_until_open(datetime.now(UTC)):
            self.sleep(min(seconds, LOOK_SECONDS))

    def _refuse_unbegun(self, contents: Contents, view: WaveView) -> None:
        """Raise where a promotion that was announced and has done nothing would begin outside the window."""
        window, now = self._window(view), datetime.now(UTC)
        is_outside = window.is_over(now) or window.seconds_until_open(now) > 0
        if contents.promotion and contents.promotion.stage == FailoverStage.CHECK and is_outside:
            raise NotReadyError(
                f"wave {self.name}: its promotion died before it began, and its window is not open now: "
                "`mailshadow failover --undo` ends it"
            )

    def _next(self) -> list[Registration]:
        """Return who goes next, in the wave's order; nobody where all went or the window is over."""
        contents = self.book.read()
        view = self.outlook.of(contents, contents.wave(self.name))
        after(self.name, view.stage, Command.CUT_OVER)  # an operator may have changed the wave meanwhile
        window, now = self._window(view), datetime.now(UTC)
        if window.is_over(now):
            click.echo(f"wave {self.name}: its window is over; who did not go stays")
            return []
        if window.seconds_until_open(now):
            raise NotReadyError(
                f"wave {self.name}: got another window meanwhile, which is not open yet; begin again then"
            )
        return next_part(view, self.tried)

    def _promote(self, part: Sequence[Registration]) -> int:
        identity = token_hex(6)

        def decide(contents: Contents) -> Sequence[Wave]:
            wave = contents.wave(self.name)
            after(self.name, self.outlook.of(contents, wave).stage, Command.CUT_OVER)
            return [replace(wave, promotions=(*wave.promotions, identity))]

        contents = self.book.change(decide)
        view = self.outlook.of(contents, contents.wave(self.name))
        self.tried |= {m.mailbox for m in part}
        accepted = [m.mailbox for m in part if m.mailbox in view.wave.accepted]
        options = self._options(view) | {"accept": accepted}

        def why_withdrawn() -> str:
            # between the announcement and its begin others may still have decided about the wave; from now on not
            return withdrawn(view.wave, identity, part, self.book.read())

        return self._with_office(
            lambda office: failover.promote(self.settings, office, part, options, identity, why_withdrawn)
        )

    def _note_left(self) -> None:
        """Remember whom the last promotion left out: they are not asked again by this run."""
        if (found := self.book.read().promotion) is not None:
            self.tried |= {o.mailbox for o in found.mailboxes}

    def _end(self) -> int:
        """Write that the cut-over is through, where somebody was opened; name who stays."""

        def decide(contents: Contents) -> Sequence[Wave]:
            wave = contents.wave(self.name)
            is_any_open = bool(self.outlook.of(contents, wave).promoted)
            return [replace(wave, ended_at=wave.ended_at or wiring.now_ms())] if is_any_open else []

        contents = self.book.change(decide)
        view = self.outlook.of(contents, contents.wave(self.name))
        click.echo(telling.line(view))
        staying = [s for s in view.standings if not s.is_promoted]
        for one in staying:
            click.echo(f"  {one.mailbox} stays at the source: {'; '.join(one.why_not) or 'its turn did not come'}")
        return exit_codes.WORD_NEEDED if staying else exit_codes.OK

    def _options(self, view: WaveView) -> dict[str, Any]:
        return {
            "target": view.wave.target, "source_lost": False, "dry_run": False, "accept": (), "leave": (),
            "is_resumed": True, "is_undone": False, "with_subjects": False, "close_seconds": self.close_seconds,
            "reason": f"wave {self.name}", "report_path": None, "as_json": False,
        }  # fmt: skip

    def _with_office(self, act: Callable[[KafkaOffice], int]) -> int:
        with closing(KafkaOffice(wiring.kafka_settings(self.settings), wiring.topics_of(self.settings))) as office:
            return act(office)


def next_part(view: WaveView, tried: Collection[str]) -> list[Registration]:
    """Return who goes next, in the wave's order: ready today, or accepted as they are."""
    left = []
    for member, standing in zip(view.members, view.standings, strict=True):
        is_fit = not standing.why_not or member.mailbox in view.wave.accepted
        if is_fit and not standing.is_promoted and member.mailbox not in tried:
            left.append(member)
    return left[: view.wave.at_once_max]


def withdrawn(decided: Wave, promotion: str, part: Sequence[Registration], now: Contents) -> str:
    """Return why a promotion that was announced may not begin any more; nothing where all is as it was decided."""
    wave = now.waves.get(decided.wave)
    if wave is None or promotion not in wave.promotions or wave.closed_at:
        return f"wave {decided.wave} was changed meanwhile"
    if (wave.approved_at, wave.window_from, wave.window_until) != (
        decided.approved_at, decided.window_from, decided.window_until
    ):  # fmt: skip
        return f"the approval or the window of wave {decided.wave} was changed meanwhile"
    members = {m.mailbox for m in now.members(wave)}
    if gone := [m.mailbox for m in part if m.mailbox not in members]:
        return f"{', '.join(gone)} left wave {decided.wave} meanwhile"
    return ""


@click.command("roll-back")
@config_option
@json_option
@click.argument("name", metavar="WAVE")
@click.option("--dry-run", "is_dry", is_flag=True, help="Say what changed at the target since, and what is lost of it.")
@click.option("--merge", "is_merging", is_flag=True, help="Bring over what the old source has and nobody captured.")
@click.option("--accept", multiple=True, metavar="MAILBOX|all", help="Lead it back although it is not as it should be.")
@click.option("--accept-losses", "is_accepting", is_flag=True, help="Go on to an older version of Exchange.")
@click.option("--with-subjects", is_flag=True, help="Name subject and sender of what is listed.")
@close_seconds_option
def roll_back(config: Path, name: str, **options: Any) -> None:
    """Lead the mailboxes of WAVE back to the source, with what changed at the target since; again to go on."""
    settings = settings_of(config, needs_kafka=True)
    wiring.prepare_topics(settings)
    book = Book(settings)
    with Outlook(settings) as outlook:
        contents = book.read()
        view = outlook.of(contents, contents.wave(name))
        after(name, view.stage, Command.ROLL_BACK)
        back = turned(settings, view.wave.target)
        wiring.prepare_topics(back)
        if options["is_dry"]:
            changed.tell(back, changed.read(settings, back, view.promoted), options)
            return
        code = _led_back(settings, back, book, outlook, view, options)
        contents = book.read()
        click.echo(telling.line(outlook.of(contents, contents.wave(name))), err=options["as_json"])
    if code:
        sys.exit(code)


def _led_back(
    settings: Settings, back: TurnedSettings, book: Book, outlook: Outlook, view: WaveView, options: Mapping[str, Any]
) -> int:
    """Drive the way back of a wave, or go on with it; return the exit code."""
    given = {
        "is_mirror": False, "is_resumed": False, "is_undone": False, "report_path": None, "accept": options["accept"],
        "reason": f"wave {view.wave.wave} rolled back",
    } | dict(options)  # fmt: skip
    with closing(KafkaOffice(wiring.kafka_settings(back), wiring.topics_of(back))) as office:
        if view.stage is Stage.RETURNING:
            return failback.go_on(settings, back, office, given)
        failback.refuse_losses(back, is_accepting=options["is_accepting"])
        office.refuse_other()
        identity, source = token_hex(6), settings.source.name

        def decide(now: Contents) -> Sequence[Wave]:
            wave = now.wave(view.wave.wave)
            after(wave.wave, outlook.of(now, wave).stage, Command.ROLL_BACK)
            return [replace(wave, way_back=identity)]

        book.change(decide)
        known = [failback.turned_registration(m, source, view.wave.target) for m in view.promoted]
        return failback.lead_back(settings, back, office, known, given, promotion_id=identity)
