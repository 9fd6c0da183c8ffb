"""`monitor`: the figures of all mailboxes together, for Prometheus."""

from pathlib import Path

import click

from deploy import wiring
from deploy.commands.options import config_option, settings_of
from deploy.commands.service import await_topics, serving, stop_on_signals
from deploy.logs import set_up
from deploy.observation.monitor import Monitor
from deploy.sections import SettingsError


@click.command()
@config_option
def monitor(config: Path) -> None:
    """Answer /metrics for all mailboxes together; needs Kafka alone and writes nothing."""
    set_up()
    settings = settings_of(config, needs_kafka=True)
    if not settings.monitor.metrics_port:
        raise SettingsError("monitor.metrics_port: missing; the monitor answers /metrics there, such as 9479")
    stop = stop_on_signals()
    await_topics(settings, stop)
    watching = Monitor(settings)
    with serving(watching, settings.monitor.metrics_port, wiring.guard_of(settings)):
        watching.run(stop)
