"""`config`: print the commented example, or check a file."""

from importlib import resources
from pathlib import Path

import click

from deploy.commands.options import config_option, settings_of


@click.group()
def config() -> None:
    """Print an example of the settings, or check a file."""


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
