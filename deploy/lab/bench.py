"""`mailshadow lab bench`: a full copy of real mail, live changes and an idle time, measured process by process.

CPU seconds are user and system time of each process as Linux accounts for it, from the end of filling to the end
of the first copy; the broker's and the servers' start is before that, feed and replay include their own.
Bytes on the wire are HTTP bodies as the server counts them, at the target both ways.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from deploy import exit_codes
from deploy.lab import report
from deploy.lab.command import LabOptions, demonstrate, named_exit_codes
from deploy.lab.lag import seconds_text
from deploy.lab.world import World

IDLE_SECONDS = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Measurements:
    """What was read off between the stages of a run."""

    idle_seconds: float = IDLE_SECONDS
    cpu: dict[str, dict[str, float]] = field(default_factory=dict)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """What the target was asked, by stage and operation."""

    def take(self, stage: str, world: World) -> None:
        """Read CPU times and call counts after a stage; after the last one, measure an idle time too."""
        pids = {
            "source": world.source.pid,
            "target": world.target.pid,
            "broker": world.broker.pid,
        }
        if stage != "filled":
            pids |= {"feed": world.feed.pid, "replay": world.replay.pid}
        self.cpu[stage] = {name: _cpu_seconds(pid) for name, pid in pids.items()}
        self.calls[stage] = _calls(world)
        self.operations[stage] = world.target.calls()["operations"]
        if stage == "quiet" and self.idle_seconds:
            time.sleep(self.idle_seconds)
            self.calls["idle"] = _calls(world)


def _cpu_seconds(pid: int) -> float:
    """Return user and system seconds of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _calls(world: World) -> dict[str, Any]:
    totals = {}
    for name, server in (("source", world.source), ("target", world.target)):
        operations = server.calls()["operations"].values()
        totals[name] = {key: sum(o[key] for o in operations) for key in ("calls", "bytes_in", "bytes_out")}
    return totals


def summarise(result: report.RunResult, taken: Measurements) -> dict[str, Any]:
    """Return the figures of a run beside those of `report`."""
    copied = result.first_copy
    before, after = taken.cpu["filled"], taken.cpu["copied"]
    cpu = {name: round(seconds - before.get(name, 0.0), 2) for name, seconds in after.items()}
    calls = {
        side: _difference(taken.calls["copied"][side], taken.calls["filled"][side]) for side in ("source", "target")
    }
    to_target = calls["target"]["bytes_in"] + calls["target"]["bytes_out"]
    values = result.as_json() | {
        "items_per_second": round(copied.items / copied.seconds, 1) if copied.seconds else 0.0,
        "cpu_seconds": cpu | {"all": round(sum(cpu.values()), 2)},
        "log_bytes_per_mail_byte": round(result.log_bytes / result.mail_bytes, 3),
        "target_wire_bytes_per_mail_byte": round(to_target / result.mail_bytes, 3),
        "calls_per_item": round((calls["source"]["calls"] + calls["target"]["calls"]) / copied.items, 3),
    }
    values["target_operations"] = _operations(taken.operations["filled"], taken.operations["copied"])
    if "idle" in taken.calls:
        per_minute = 60.0 / taken.idle_seconds
        values["idle_minute"] = {
            side: {
                key: round(value * per_minute)
                for key, value in _difference(taken.calls["idle"][side], taken.calls["quiet"][side]).items()
            }
            for side in ("source", "target")
        }
    return values


def _operations(before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Return calls, items and bytes of each operation between two stages; only what was called."""
    nothing = dict.fromkeys(("calls", "items", "bytes_in", "bytes_out"), 0)
    found = {
        name: _difference({k: asked[k] for k in nothing}, before.get(name, nothing)) for name, asked in after.items()
    }
    return {name: asked for name, asked in sorted(found.items()) if asked["calls"]}


def _staging(operations: dict[str, dict[str, int]]) -> str:
    """Return what staging adds to the copy: the stamp and the move, beside the upload itself."""
    calls = {name: operations.get(name, {"calls": 0})["calls"] for name in ("UploadItems", "UpdateItem", "MoveItem")}
    sizes = [sum(operations.get(name, {}).get(k, 0) for k in ("bytes_in", "bytes_out")) for name in calls]
    share = sum(sizes[1:]) / max(sum(sizes), 1)
    said = ", ".join(f"{count} {name}" for name, count in calls.items())
    return f"{said}; stamp and move are {share:.0%} of these bytes"


def _difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {key: after[key] - before[key] for key in after}


def show(console: Console, values: dict[str, Any]) -> None:
    """Print the figures."""
    table = Table("measure", "value", title="Bench")
    copied, lag, cpu = values["first_copy"], values["live"]["lag_seconds"], values["cpu_seconds"]
    rows = {
        "identical": f"{values['identical']} of {values['items_source']}",
        "first copy": f"{copied['items']} items in {copied['seconds']:.1f} s: {values['items_per_second']} items/s",
        "CPU seconds": ", ".join(f"{name} {seconds:.1f}" for name, seconds in cpu.items()),
        "bytes in the log / byte of mail": str(values["log_bytes_per_mail_byte"]),
        "bytes on the target's wire / byte of mail": str(values["target_wire_bytes_per_mail_byte"]),
        "server calls / item": str(values["calls_per_item"]),
        "staging at the target": _staging(values["target_operations"]),
        "lag of live changes": ", ".join(f"{name} {seconds_text(seconds, 2)}" for name, seconds in lag.items()),
    }
    for side, idle in values.get("idle_minute", {}).items():
        rows[f"an idle minute, {side}"] = f"{idle['calls']} calls, {idle['bytes_in'] + idle['bytes_out']} bytes"
    for name, text in rows.items():
        table.add_row(name, text)
    console.print(table)


@click.command()
@click.option("--mail", type=click.Path(path_type=Path), help="Mail to copy; generated mail without it.")
@click.option("--mailboxes", type=click.IntRange(1, 500), default=8, show_default=True)
@click.option("--seconds", type=click.FloatRange(0, 3600), default=20.0, show_default=True, help="Live activity.")
@click.option("--idle", type=click.FloatRange(0, 600), default=IDLE_SECONDS, show_default=True, help="Idle seconds.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--portable", is_flag=True, help="Force the portable path.")
@click.option("--report", "report_path", type=click.Path(path_type=Path, dir_okay=False), help="JSON to write.")
def bench(
    *,
    mail: Path | None,
    mailboxes: int,
    seconds: float,
    idle: float,
    seed: int,
    portable: bool,
    report_path: Path | None,
) -> None:
    """Measure a full copy of mail, live changes and an idle time."""
    options = LabOptions(
        mail=mail,
        mailbox_count=mailboxes,
        seconds=seconds,
        seed=seed,
        report_path=report_path,
        keep=None,
        is_portable=portable,
        is_quiet=False,
    )
    taken = Measurements(idle_seconds=idle)
    console = Console()
    with named_exit_codes():
        result = demonstrate(options, console, taken.take)
        values = summarise(result, taken)
        show(console, values)
        if report_path is not None:
            report.write(report_path, values)
    if not result.is_clean:
        raise SystemExit(exit_codes.DIFFERENT)
