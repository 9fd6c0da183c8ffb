"""HAProxy as the front door: map entries lead each mailbox, or each host, to the backend of its live server.

Order: the map files are written first, then every running HAProxy takes them over, each map at once. One that was
dead meanwhile reads them when it starts.
Failure: a step that stopped in between is run again; it writes the same files and replaces the same maps.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from deploy.front_door.actuator import ActuatorError, ActuatorStep, Hold, Place, Redirection, held_by_nobody
from deploy.front_door.haproxy_maps import Entries, keys_of, led, map_text, read_map
from deploy.front_door.haproxy_runtime import HaproxyRuntime, RuntimeApiError
from deploy.front_door.sections import HaproxySection
from deploy.front_door.whole_files import only_writer, write_whole

NAME = "front_door.haproxy"


class HaproxyActuator:
    """Leads clients that keep one address; see `haproxy.cfg` beside this file."""

    name = NAME

    def __init__(
        self,
        section: HaproxySection,
        source: str,
        mailboxes: frozenset[str],
        other_names: Mapping[str, Sequence[str]],
        hold: Hold = held_by_nobody,
    ) -> None:
        """`mailboxes` are the ids of all that are mirrored: a host leads all of them at once."""
        self._hold = hold
        self._section = section
        self.leads_all = section.leads != "mailbox"
        self._default = section.backends[source]
        self._mailboxes = mailboxes
        self._other_names = other_names
        self._runtimes = [HaproxyRuntime(a, section.timeout_seconds) for a in section.sockets]

    def check(self, redirections: Sequence[Redirection]) -> None:
        """Find every backend, the map files in step with every HAProxy, and each key at `from_place`."""
        step = ActuatorStep.CHECK
        with self._named(step):
            needed = {self._backend(p, step) for r in redirections for p in (r.from_place, r.to_place)}
            self._refuse_parts(redirections, step)
            entries = self._on_disk(self._section.map_file)
            for runtime in self._runtimes:
                if missing := (needed | {self._section.closed_backend}) - runtime.backends():
                    raise RuntimeApiError(f"{runtime.address} has no backend {', '.join(sorted(missing))}")
                for file in self._files():
                    if runtime.map_of(str(file)) != self._on_disk(file):
                        raise RuntimeApiError(f"{runtime.address} does not hold what {file} says: reload HAProxy")
            for key, redirection in keys_of(self._section, redirections, self._other_names):
                found, wanted = entries.get(key, self._default), self._backend(redirection.from_place, step)
                if found != wanted:
                    raise RuntimeApiError(f"mailbox {redirection.mailbox} is led to {found}, not {wanted}")

    def close(self, redirections: Sequence[Redirection]) -> None:
        """Answer these mailboxes with 503 and Retry-After."""
        self._lead(ActuatorStep.CLOSE, redirections, lambda _: None)

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        """Lead them to `to_place`, all in one change of the map."""
        self._lead(ActuatorStep.REDIRECT, redirections, lambda r: r.to_place)

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        """Find every key at `to_place` in every running HAProxy; who answers is asked by the EWS confirmation."""
        step = ActuatorStep.CONFIRM
        with self._named(step):
            for runtime in self._runtimes:
                entries = runtime.map_of(str(self._section.map_file))
                for key, redirection in keys_of(self._section, redirections, self._other_names):
                    found, wanted = entries.get(key, self._default), self._backend(redirection.to_place, step)
                    if found != wanted:
                        raise RuntimeApiError(
                            f"{runtime.address} leads mailbox {redirection.mailbox} to {found}, not {wanted}"
                        )

    def undo(self, redirections: Sequence[Redirection]) -> None:
        """Lead them back to `from_place`."""
        self._lead(ActuatorStep.UNDO, redirections, lambda r: r.from_place)

    def experience(self) -> str:
        """Return what clients will see of a redirection."""
        return (
            "requests that come after the change are answered by the other server; closed mailboxes get 503 with "
            "Retry-After; open streams end by themselves; ActiveSync resyncs, Outlook needs a new profile"
        )

    # -- leading -------------------------------------------------------------------------------------------

    def _lead(
        self,
        step: ActuatorStep,
        redirections: Sequence[Redirection],
        place_of: Callable[[Redirection], Place | None],
    ) -> None:
        if not redirections:
            return
        with self._named(step), only_writer(self._section.map_file):
            self._refuse_parts(redirections, step)
            pairs = [(k, place_of(r)) for k, r in keys_of(self._section, redirections, self._other_names)]
            changed: dict[Path, list[tuple[str, str | None]]] = {
                self._section.map_file: [(k, self._backend(p, step)) for k, p in pairs]
            }
            if self._section.activesync_map_file:
                changed[self._section.activesync_map_file] = [(k, self._activesync(p)) for k, p in pairs]
            files = {file: led(self._on_disk(file), keys) for file, keys in changed.items()}
            for file, entries in files.items():
                self._hold(self._section.timeout_seconds)
                write_whole(file, map_text(entries))
            self._take_over(files)

    def _take_over(self, files: Mapping[Path, Entries]) -> None:
        """Have every HAProxy take over what the files say; all are tried, the first failure is raised."""
        failures = []
        for runtime in self._runtimes:
            try:
                for file, entries in files.items():
                    runtime.replace_map(str(file), entries, lambda: self._hold(self._section.timeout_seconds))
            except RuntimeApiError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _files(self) -> Iterable[Path]:
        return filter(None, (self._section.map_file, self._section.activesync_map_file))

    def _on_disk(self, file: Path) -> Entries:
        try:
            return read_map(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RuntimeApiError(f"{file} is missing: HAProxy can't start without it; make an empty one") from error

    def _backend(self, place: Place | None, step: ActuatorStep) -> str:
        if place is None:
            return self._section.closed_backend
        backend = self._section.backends.get(place.server)
        if backend is None:
            raise ActuatorError(NAME, step, f"backends.{place.server} is missing: name its backend in the settings")
        return backend

    def _activesync(self, place: Place | None) -> str | None:
        return None if place is None else self._section.activesync_urls.get(place.server)

    def _refuse_parts(self, redirections: Sequence[Redirection], step: ActuatorStep) -> None:
        if not self.leads_all or not redirections:
            return
        if left := self._mailboxes - {r.mailbox for r in redirections}:
            detail = f"leads = {self._section.leads!r} leads all mailboxes at once, and {len(left)} would stay behind"
            raise ActuatorError(NAME, step, f"{detail}; lead all of them, or set leads = 'mailbox'")
        if len({(r.from_place.server, r.to_place.server) for r in redirections}) > 1:
            raise ActuatorError(NAME, step, "all mailboxes must come from one server and go to one")

    def _named(self, step: ActuatorStep) -> "_Named":
        return _Named(step)


class _Named:
    """Gives failures inside it the step they belong to, and says what to do."""

    def __init__(self, step: ActuatorStep) -> None:
        self._step = step

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, RuntimeApiError | OSError):
            advice = "start or mend HAProxy (its runtime socket needs level admin) and run the step again"
            raise ActuatorError(NAME, self._step, f"{error}; {advice}") from error
