"""What a mapping file changes: registrations and waves to be written, or everything that forbids it. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from deploy.mapping import shared_address
from deploy.migration.book import Contents
from deploy.migration.mapping_file import Row
from deploy.migration.outlook import WaveView
from deploy.migration.stages import Command, StageError, after
from schemas.identity import mailbox_id
from schemas.state import Registration, Wave

View = Callable[[Wave], WaveView]


class Plan:
    """Rows taken into what stands there, one after the other; `errors` say why the whole is refused, by line."""

    def __init__(self, contents: Contents, target: str, mailboxes_max: int, view: View) -> None:
        self._contents = contents
        self._target = target
        self._mailboxes_max = mailboxes_max
        self._view = view
        self._views: dict[str, WaveView] = {}
        self._lines: dict[str, int] = {}
        self.registrations: dict[str, Registration] = {}
        self.waves: dict[str, Wave] = {}
        self.errors: list[str] = []

    @property
    def records(self) -> list[Wave | Registration]:
        """Return what is to be written: waves before the mailboxes that name them."""
        return [*self.waves.values(), *self.registrations.values()]

    def take(self, rows: Iterable[Row]) -> None:
        """Take in all rows of a file, and judge the whole."""
        for row in rows:
            self._row(row)
        self._shared()
        self._limits()

    def move(self, mailboxes: Sequence[Registration], wave: str) -> None:
        """Take mailboxes that are registered out of their wave, into another one."""
        for one in mailboxes:
            self._put(replace(one, wave=wave), one, one.source)
        self._limits()

    def _row(self, row: Row) -> None:
        mailbox = mailbox_id(row.source)
        old = self._contents.registrations.get(mailbox)
        where = f"line {row.line}"
        known = old.targets.get(self._target, "") if old else ""
        if known and known.casefold() != row.target.casefold():
            self.errors.append(f"{where}: mirrored to {known} at {self._target} already; that can't be changed here")
            return
        targets = (old.targets if old else {}) | {self._target: known or row.target}
        fresh = Registration(
            mailbox=mailbox, source=old.source if old else row.source, targets=targets, wave=row.wave,
            priority=row.priority, archive=row.archive, notes=row.notes,
        )  # fmt: skip
        self._lines[fresh.source.casefold()] = row.line
        if fresh != old:
            self._put(fresh, old, where)

    def _put(self, fresh: Registration, old: Registration | None, where: str) -> None:
        was = old.wave if old else ""
        try:
            if was and was != fresh.wave and (left := self._contents.waves.get(was)):
                self._leave(left, fresh.mailbox)
            if was != fresh.wave:
                self._join(fresh.wave)
        except StageError as error:
            self.errors.append(f"{where}: {error}")
        except PlanError as error:
            self.errors.append(f"{where}: {error}")
        else:
            self.registrations[fresh.mailbox] = fresh

    def _leave(self, wave: Wave, mailbox: str) -> None:
        view = self._seen(wave)
        after(wave.wave, view.stage, Command.LEAVE)
        if any(s.is_promoted for s in view.standings if s.mailbox == mailbox):
            raise PlanError(f"its users work at {wave.target} since the cut-over of wave {wave.wave}: it stays there")

    def _join(self, name: str) -> None:
        wave = self.waves.get(name) or self._contents.waves.get(name)
        if wave is None:
            self.waves[name] = Wave(wave=name, target=self._target, mailboxes_max=self._mailboxes_max)
            return
        if wave.target != self._target:
            raise PlanError(f"wave {name} goes to {wave.target}")
        if name not in self.waves:
            after(name, self._seen(wave).stage, Command.PLAN)
            if wave.approved_at:
                # who approved did not know of this mailbox
                self.waves[name] = replace(wave, approved_at=0, approved_by="", accepted=())

    def _seen(self, wave: Wave) -> WaveView:
        if wave.wave not in self._views:
            self._views[wave.wave] = self._view(wave)
        return self._views[wave.wave]

    def _shared(self) -> None:
        everybody = self._contents.registrations | self.registrations
        others = [(r.source, r.targets) for m, r in everybody.items() if m not in self.registrations]
        mine = [(r.source, r.targets) for r in self.registrations.values()]
        if shared := shared_address([*others, *mine]):
            target, address, first, second = shared
            line = self._lines.get(second.casefold(), 0)
            self.errors.append(f"line {line}: {address} at {target}: {first} is mirrored into that mailbox already")

    def _limits(self) -> None:
        everybody = self._contents.registrations | self.registrations
        for name in {r.wave for r in self.registrations.values()}:
            wave = self.waves.get(name) or self._contents.waves[name]
            count = sum(r.wave == name for r in everybody.values())
            if count > wave.mailboxes_max:
                self.errors.append(
                    f"wave {name}: {count} mailboxes, its limit is {wave.mailboxes_max}; `--limit-mailboxes` of `plan` "
                    "is that of new waves, of `schedule` that of one"
                )


class PlanError(Exception):
    """A mailbox can't go where a plan puts it; the text says why."""
