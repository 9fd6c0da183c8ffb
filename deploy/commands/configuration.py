"""`config`: print the commented example, check a file, or show what holds and where each value came from."""

import json
import os
from importlib import resources
from pathlib import Path

import click

from deploy.commands.options import config_option, json_option, settings_of
from deploy.settings_origins import shown


@click.group()
def config() -> None:
    """Print an example of the settings, check a file, or show what holds."""


@config.command()
def example() -> None:
    """Print a complete, commented settings file for two real servers."""
    click.echo(resources.files("deploy").joinpath("example.toml").read_text(encoding="utf-8"), nl=False)


@config.command("check")
@config_option
def check_file(config: Path) -> None:
    """Check a settings file without connecting to anything."""
    settings = settings_of(config)
    click.echo(f"{config}: good; {len(settings.mailboxes)} mailboxes, targets {', '.join(settings.targets)}")


@config.command("show")
@config_option
@json_option
def show(config: Path, as_json: bool) -> None:  # noqa: FBT001 - click hands options over so
    """Show every setting that holds and where it came from: default, file or environment; secrets are hidden."""
    rows = shown(settings_of(config), config, os.environ)
    if as_json:
        entries = [{"setting": r.path, "value": r.value, "origin": r.origin} for r in rows]
        click.echo(json.dumps({"settings": entries}, indent=2))
        return
    width = max(len(r.path) for r in rows)
    for row in rows:
        click.echo(f"{row.path:<{width}}  {row.value or '-'}  ({row.origin})")
