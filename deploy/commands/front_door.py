"""`front-door`: the Autodiscover responder as a service, its first file of routes, what commands would be called."""

import json
from pathlib import Path

import click

from deploy.commands.options import config_option, json_option, settings_of
from deploy.commands.service import stop_on_signals
from deploy.endpoints import Endpoints
from deploy.front_door.actuator import ActuatorStep
from deploy.front_door.configured import autodiscover_section, commands_of, redirection_of
from deploy.front_door.guide import Guide
from deploy.front_door.responder import Responder, metrics_registry, serve
from deploy.front_door.routes import Routes, RoutesFile, write_routes
from deploy.front_door.sections import AutodiscoverSection
from deploy.logs import set_up
from deploy.sections import Settings, SettingsError


@click.group("front-door", invoke_without_command=True)
@config_option
@click.pass_context
def front_door(context: click.Context, config: Path) -> None:
    """Serve Autodiscover: lead each mailbox's clients to its live server."""
    if context.invoked_subcommand is not None:
        return
    set_up()
    settings = settings_of(config)
    section = _section(settings)
    stop = stop_on_signals()
    registry, metrics = metrics_registry()
    routes = RoutesFile(section.route_files[0])
    responder = Responder(Guide(settings, section), routes, metrics, answers_itself=section.answers_itself)
    endpoints = (
        Endpoints(registry, lambda: True, lambda: responder.is_ready, section.metrics_port)
        if section.metrics_port
        else None
    )
    try:
        serve(responder, section, stop)
    finally:
        if endpoints:
            endpoints.close()


@front_door.command()
@config_option
def begin(config: Path) -> None:
    """Write the first file of routes: every mailbox at the source. Files that are there stay as they are."""
    for path in _section(settings_of(config)).route_files:
        if path.exists():
            click.echo(f"{path}: is there already")
            continue
        write_routes(path, Routes(version=1, by_address={}))
        click.echo(f"{path}: every mailbox is at the source")


@front_door.command("dry-run")
@config_option
@json_option
@click.option("--target", required=True, help="Name of the target in the settings.")
@click.option("--step", type=click.Choice([s.value for s in ActuatorStep]), help="One step; all without it.")
def dry_run(config: Path, target: str, step: str | None, as_json: bool) -> None:  # noqa: FBT001 - click hands options over so
    """Print which commands of the operator's a promotion of all mailboxes would call, and call none."""
    settings = settings_of(config)
    if target not in settings.targets:
        raise SettingsError(f"--target {target}: the settings have {', '.join(settings.targets)}")
    redirections = [redirection_of(settings, m, target) for m in settings.mailboxes if target in m.targets]
    steps = [ActuatorStep(step)] if step else list(ActuatorStep)
    rows = [
        {"step": one.value, "actuator": command.name, **call}
        for one in steps
        for command, _ in commands_of(settings)
        for call in command.calls_of(one, redirections)
    ]
    if as_json:
        click.echo(json.dumps({"calls": rows}, indent=2))
        return
    for row in rows:
        names = ", ".join(f"{k}={v}" for k, v in row["environment"].items())
        click.echo(f"{row['step']:9} {row['actuator']}: {' '.join(row['command'])}")
        click.echo(f"{'':9} {names}; {len(row['stdin']['mailboxes'])} mailboxes on standard input")
    click.echo(f"{len(rows)} calls, none made")


def _section(settings: Settings) -> AutodiscoverSection:
    section = autodiscover_section(settings)
    if section is None:
        raise SettingsError("front_door.autodiscover: missing; see `mailshadow config example`")
    return section
