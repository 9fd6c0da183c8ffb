"""What every actuator promises, against the real program of each."""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from deploy.front_door.actuator import Actuator, ActuatorError, ActuatorStep, Redirection
from deploy.front_door.commands import CommandActuator
from deploy.front_door.dns_update import DnsActuator
from deploy.front_door.routes import read_routes
from deploy.front_door.sections import CommandSection
from deploy.lab.haproxy import Proxy
from deploy.promotion.office import DrivenError

from .conftest import Program, Servers
from .test_autodiscover import Door, running  # noqa: F401 - a fixture
from .test_dns_update import NameServer
from .test_dns_update import running as running_bind  # noqa: F401 - a fixture
from .test_haproxy import actuator_of

pytestmark = pytest.mark.slow
LEADING = ("close", "redirect", "undo")
KILL_AFTER_SECONDS = (0.0, 0.002, 0.01)
_SWITCH = """
import json, pathlib, sys
call, file = json.load(sys.stdin), pathlib.Path(sys.argv[1])
now = file.read_text() if file.exists() else "mail"
after = {"redirect": "standby", "undo": "mail", "close": now}.get(call["step"], now)
if after != now: file.write_text(after)
sys.exit({"check": now != "mail", "confirm": now != "standby"}.get(call["step"], 0))
"""


@dataclass
class Ground:
    """An actuator, the mailboxes it leads, what its program holds, and how the program is taken away."""

    actuator: Actuator
    redirections: list[Redirection]
    state: Callable[[], object]
    broken: Actuator
    program: Proxy | Program | None = None
    """What is killed; a command has none that outlives its step."""


@pytest.fixture(params=["haproxy", "dns", "autodiscover", "command"])
def ground(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Ground:
    made: dict[str, Callable[..., Ground]] = {"haproxy": _haproxy, "dns": _dns, "autodiscover": _door}
    if request.param == "command":
        return _command(servers, tmp_path)
    fixture = {"haproxy": "proxy", "dns": "running_bind", "autodiscover": "running"}[request.param]
    return made[request.param](request.getfixturevalue(fixture), servers)


def _haproxy(proxy: Proxy, servers: Servers) -> Ground:
    broken = actuator_of(proxy, servers, sockets=("/nowhere.sock",))
    return Ground(actuator_of(proxy, servers), servers.redirections, proxy.map_file.read_text, broken, proxy)


def _dns(name_server: NameServer, servers: Servers) -> Ground:
    name_server.reset()
    mailboxes = frozenset(r.mailbox for r in servers.redirections)
    return Ground(
        DnsActuator(name_server.section(), mailboxes),
        servers.redirections,
        lambda: [name_server.answer(n) for n in ("mail.example.test", "example.test")],
        DnsActuator(name_server.section(port=9), mailboxes),
        name_server.program,
    )


def _door(door: Door, servers: Servers) -> Ground:
    actuator = door.begin(answers_itself=True, redirects_by_address=False)
    routes = door.directory / "data/front-door/routes.json"
    guide: Any = actuator._guide
    broken = type(actuator)(replace(actuator._section, responders=("https://127.0.0.1:9",)), guide)
    led = lambda: read_routes(routes).by_address  # noqa: E731
    return Ground(actuator, servers.redirections, led, broken, door.responder)


def _command(servers: Servers, tmp_path: Path) -> Ground:
    file = tmp_path / "switch"
    section = CommandSection(name="d", kind="directory", command=(sys.executable, "-c", _SWITCH, str(file)))
    broken = CommandActuator(replace(section, command=("/no/such",), steps=tuple(ActuatorStep)), tmp_path / "kept")
    state = lambda: file.read_text() if file.exists() else "mail"  # noqa: E731
    return Ground(CommandActuator(section, tmp_path / "kept"), servers.redirections, state, broken)


def test_a_check_changes_nothing(ground: Ground) -> None:
    before = ground.state()
    ground.actuator.check(ground.redirections)
    assert ground.state() == before


def test_every_step_may_be_run_again(ground: Ground) -> None:
    actuator, redirections = ground.actuator, ground.redirections
    for step in ("check", "close", "redirect", "confirm", "undo", "check"):
        getattr(actuator, step)(redirections)
        once = ground.state()
        getattr(actuator, step)(redirections)
        assert ground.state() == once, step


def test_undo_leads_back_from_wherever_the_steps_had_come_to(ground: Ground) -> None:
    actuator, redirections = ground.actuator, ground.redirections
    for steps in [(), *product(LEADING), *product(LEADING, repeat=2)]:
        for step in steps:
            getattr(actuator, step)(redirections)
        actuator.undo(redirections)
        actuator.check(redirections)


def test_what_was_led_away_is_not_where_the_check_wants_it_and_the_other_way_round(ground: Ground) -> None:
    with pytest.raises(ActuatorError) as caught:
        ground.actuator.confirm(ground.redirections)
    assert (caught.value.actuator, caught.value.step) == (ground.actuator.name, ActuatorStep.CONFIRM)
    ground.actuator.redirect(ground.redirections)
    with pytest.raises(ActuatorError) as caught:
        ground.actuator.check(ground.redirections)
    assert caught.value.step is ActuatorStep.CHECK
    ground.actuator.undo(ground.redirections)


class Fenced:
    """Another command took over: asked before the call numbered `passes`, it raises."""

    def __init__(self, passes: int) -> None:
        self.passes = passes
        self.asked: list[float] = []

    def __call__(self, act_seconds: float) -> None:
        self.asked.append(act_seconds)
        if len(self.asked) > self.passes:
            raise DrivenError("somebody else took it over")


def test_who_does_not_drive_any_more_changes_nothing(ground: Ground) -> None:
    """Asked right before the call, however long the step stood still since its beginning."""
    actuator: Any = ground.actuator
    hold, before = actuator._hold, ground.state()
    actuator._hold = Fenced(0)
    try:
        with pytest.raises(DrivenError):
            actuator.redirect(ground.redirections)
        assert ground.state() == before
        assert len(actuator._hold.asked) == 1
        assert 0 < actuator._hold.asked[0] <= actuator._section.timeout_seconds
    finally:
        actuator._hold = hold


def test_nothing_is_done_for_nobody(ground: Ground) -> None:
    before = ground.state()
    for step in LEADING:
        getattr(ground.actuator, step)([])
    assert ground.state() == before


def test_a_program_that_is_away_is_named_with_the_step_and_no_address_is(ground: Ground) -> None:
    for step in ("check", "redirect"):
        with pytest.raises(ActuatorError) as caught:
            getattr(ground.broken, step)(ground.redirections)
        assert str(caught.value).startswith(f"{ground.broken.name}, {step}: ")
        assert not any(r.address in str(caught.value) for r in ground.redirections)


def fails(ground: Ground, step: str) -> bool:
    """Run a step whose program may be away; whether it failed, and if so by its own name and the step's."""
    failed = None
    try:
        getattr(ground.actuator, step)(ground.redirections)
    except ActuatorError as error:
        failed = error
    assert failed is None or (failed.actuator, failed.step) == (ground.actuator.name, step)
    return failed is not None


@pytest.mark.parametrize("ground", ["haproxy", "dns", "autodiscover"], indirect=True)
def test_a_program_killed_before_any_step_is_named_and_the_step_is_run_again(ground: Ground) -> None:
    assert ground.program
    told = []
    for step in ("check", "close", "redirect", "confirm", "undo", "check"):
        act = getattr(ground.actuator, step)
        ground.program.kill()
        told += [step] if fails(ground, step) else []
        ground.program.start()
        act(ground.redirections)
    assert [s for s in told if s != "close"] == ["check", "redirect", "confirm", "undo", "check"]


@pytest.mark.parametrize("ground", ["haproxy", "dns", "autodiscover"], indirect=True)
@pytest.mark.parametrize("step", LEADING)
def test_a_program_killed_amid_a_step_that_leads_ends_where_the_step_run_again_leads(ground: Ground, step: str) -> None:
    act, before = getattr(ground.actuator, step), ("redirect" if step == "undo" else "undo")
    act(ground.redirections)
    expected = ground.state()
    for seconds in KILL_AFTER_SECONDS:
        getattr(ground.actuator, before)(ground.redirections)
        assert ground.program
        killer = threading.Timer(seconds, ground.program.kill)
        killer.start()
        fails(ground, step)
        killer.join()
        ground.program.start()
        act(ground.redirections)
        assert ground.state() == expected
    ground.actuator.undo(ground.redirections)
    ground.actuator.check(ground.redirections)
