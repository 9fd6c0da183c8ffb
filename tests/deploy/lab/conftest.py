"""Two simulated Exchange servers for the tests of what the lab does to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession

_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class ExchangePair:
    """A source and a target, with a session to each."""

    source_process: ExchangeProcess
    target_process: ExchangeProcess
    source: UserSession
    target: UserSession

    def new_mailboxes(self) -> tuple[str, str]:
        """Make a mailbox at each server that no other test has."""
        name = f"test{next(_NUMBERS)}"
        pair = f"{name}@source.test", f"{name}@target.test"
        self.source_process.add_mailbox(pair[0])
        self.target_process.add_mailbox(pair[1])
        return pair


def _address(process: ExchangeProcess) -> ServerAddress:
    found = process.start()
    return ServerAddress(url=found.url, user=found.user, password=found.password, version=process.version)


@pytest.fixture(scope="session")
def exchange_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangePair]:
    """A 2013 source and a 2019 target, as processes of their own."""
    directory = tmp_path_factory.mktemp("exchange-pair")
    source = ExchangeProcess(directory / "source", version="2013", mailboxes=["first@source.test"])
    target = ExchangeProcess(directory / "target", version="2019", mailboxes=["first@target.test"])
    with source, target:
        pair = ExchangePair(source, target, UserSession(_address(source)), UserSession(_address(target)))
        yield pair
        pair.source.close()
        pair.target.close()
