"""`mailshadow lab chaos`: a pipeline of several processes under every fault at random, judged by the checker."""

from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from deploy import exit_codes
from deploy.interruption import interruptible
from deploy.lab import report
from deploy.lab.command import named_exit_codes, run_directory

MINUTES_DEFAULT = 1.0
MAILBOXES_DEFAULT = 4
TARGETS_DEFAULT = ("standby=2019",)
TARGET_VERSIONS = ("2013", "2016", "2019")


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed draws the same faults and acts.")
@click.option(
    "--minutes", type=click.FloatRange(0.1, 600), default=MINUTES_DEFAULT, show_default=True, help="Of faults."
)
@click.option("--faults", default="", help="Only these kinds, separated by commas; --faults list names them all.")
@click.option("--mailboxes", type=click.IntRange(1, 50), default=MAILBOXES_DEFAULT, show_default=True)
@click.option("--target", "targets", multiple=True, metavar="NAME=VERSION", default=TARGETS_DEFAULT, show_default=True)
@click.option("--report", "report_path", type=click.Path(path_type=Path, dir_okay=False), help="JSON to write.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the evidence in this new directory."
)
def chaos(
    *,
    seed: int,
    minutes: float,
    faults: str,
    mailboxes: int,
    targets: tuple[str, ...],
    report_path: Path | None,
    keep: Path | None,
) -> None:
    """Break everything at random for some minutes, heal, and prove that nothing was lost, doubled or turned back.

    Exit code 1 where the checker finds an anomaly; it then prints the item's story and the command to run again.
    """
    # imported here because every service starts by way of the command line
    from deploy.lab.chaos import verdict  # noqa: PLC0415
    from deploy.lab.chaos.faults.table import FAULTS  # noqa: PLC0415

    if faults == "list":
        click.echo("\n".join(FAULTS))
        return
    kinds = tuple(kind.strip() for kind in faults.split(",") if kind.strip())
    for kind in kinds:
        if kind not in FAULTS:
            raise click.BadParameter(f"--faults {kind}: there is no such fault; known are {', '.join(FAULTS)}")
    pairs = tuple(_target(text) for text in targets)
    chosen = f" --faults {','.join(kinds)}" if kinds else ""
    chosen += f" --mailboxes {mailboxes}" if mailboxes != MAILBOXES_DEFAULT else ""
    chosen += "".join(f" --target {text}" for text in targets) if targets != TARGETS_DEFAULT else ""
    with named_exit_codes(), ExitStack() as stack:
        if report_path is not None:
            report.require_writable(report_path)
        plan = verdict.ChaosPlan(
            seed=seed,
            minutes=minutes,
            directory=run_directory(keep, stack),
            command=f"mailshadow lab chaos --seed {seed} --minutes {minutes:g}{chosen} --keep DIRECTORY",
            kinds=kinds,
            mailbox_count=mailboxes,
            targets=pairs,
        )
        with interruptible() as hold:
            found = verdict.reach(plan, Console(), hold)
        if report_path is not None:
            report.write(report_path, found)
    if found["anomalies"]:
        raise SystemExit(exit_codes.DIFFERENT)


def _target(text: str) -> tuple[str, str]:
    name, _, version = text.partition("=")
    if not name.isalnum() or version not in TARGET_VERSIONS or name == "source":
        known = ", ".join(TARGET_VERSIONS)
        raise click.BadParameter(f"--target {text}: give NAME=VERSION, letters and digits, one of {known}")
    return name, version
