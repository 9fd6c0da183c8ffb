"""Where waves stand now: what `control` says of them beside what the state topics say of their mailboxes."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from deploy import wiring
from deploy.migration.book import Contents
from deploy.migration.stages import Stage, Standing, stage_of
from deploy.migration.standing import standing_of
from deploy.promotion.picture import Picture
from deploy.promotion.watch import Watch
from deploy.sections import Settings, SettingsError
from schemas.state import Registration, Wave


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveView:
    """A wave at one moment: its mailboxes in the order in which they go, and their standings in the same order."""

    wave: Wave
    members: tuple[Registration, ...]
    standings: tuple[Standing, ...]
    stage: Stage
    picture: Picture

    @property
    def promoted(self) -> list[Registration]:
        """Return the mailboxes that the wave's cut-over opened."""
        return [m for m, s in zip(self.members, self.standings, strict=True) if s.is_promoted]

    @property
    def unready(self) -> list[Standing]:
        """Return the mailboxes that can't go as they are, and that nobody accepted so."""
        return [s for s in self.standings if s.why_not and s.mailbox not in self.wave.accepted]


class Outlook:
    """Reads the state topics of a target once, when a wave of it is first looked at, and what is added later."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = ExitStack()
        self._watches: dict[str, Watch] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def lost(self, wave: Wave) -> str:
        """Say why nothing can be read of a wave; nothing where it can."""
        is_there = wave.target in self._settings.targets
        return "" if is_there else f"its target {wave.target} is not in the settings"

    def of(self, contents: Contents, wave: Wave) -> WaveView:
        """Return a wave as it stands now; SettingsError where its target is not in the settings any more."""
        if lost := self.lost(wave):
            raise SettingsError(f"wave {wave.wave}: {lost}")
        picture = self._watch(wave.target).catch_up()
        members = tuple(contents.members(wave))
        standings = tuple(standing_of(m.mailbox, picture.of(m.mailbox), wave) for m in members)
        stage = stage_of(wave, standings, contents.in_hand)
        return WaveView(wave=wave, members=members, standings=standings, stage=stage, picture=picture)

    def _watch(self, target: str) -> Watch:
        if target not in self._watches:
            connection, topics = wiring.kafka_settings(self._settings), wiring.topics_of(self._settings)
            self._watches[target] = self._stack.enter_context(closing(Watch(connection, topics, target)))
        return self._watches[target]
