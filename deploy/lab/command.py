"""`mailshadow lab`: a world on one machine."""

import click

from deploy.lab.broker.command import kafka
from deploy.lab.exchange.command import exchange


@click.group()
def lab() -> None:
    """Start a real Kafka or a simulated Exchange."""


lab.add_command(kafka)
lab.add_command(exchange)
