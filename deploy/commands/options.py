"""Options that several commands share, and what they stand for."""

from pathlib import Path

import click

from deploy import schema_registry
from deploy.lab.broker.directory import BrokerDirectory
from deploy.sections import Settings, SettingsError
from deploy.settings import load, with_bootstrap_servers

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("mailshadow.toml"),
    show_default=True,
    envvar="MAILSHADOW_CONFIG",
    help="Settings file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def settings_of(config: Path, *, needs_kafka: bool = False) -> Settings:
    """Return the checked settings; SettingsError where Kafka is needed and none is named or running.

    Where Kafka is needed, records are written as the settings say from here on.
    """
    settings = load(config)
    if needs_kafka:
        schema_registry.adopt(settings)
    if needs_kafka and not settings.kafka.bootstrap_servers:
        return with_bootstrap_servers(settings, _embedded(settings))
    return settings


def _embedded(settings: Settings) -> str:
    """Return the address of the embedded broker that `mailshadow run` started for these settings."""
    node = BrokerDirectory((settings.pipeline.data_directory / "kafka").absolute()).read_node()
    if node is None:
        raise SettingsError(
            "kafka.bootstrap_servers: not set, and no embedded broker was started here yet; "
            "name your brokers, or use `mailshadow run`"
        )
    return node.ports.bootstrap_servers
