"""The lab's name server: the names it was given, asked as an ordinary resolver asks."""

import socket
from collections.abc import Iterator
from contextlib import closing

import dns.resolver
import pytest

from deploy.lab.names import Names


@pytest.fixture
def names() -> Iterator[Names]:
    with closing(Names(["Autodiscover.source.test"])) as found:
        yield found


@pytest.fixture
def resolver(names: Names) -> dns.resolver.Resolver:
    found = dns.resolver.Resolver(configure=False)
    found.nameservers, found.port, found.lifetime = ["127.0.0.1"], names.port, 3.0
    return found


def test_a_name_it_has_lives_here_and_another_does_not_exist(resolver: dns.resolver.Resolver) -> None:
    assert [r.to_text() for r in resolver.resolve("autodiscover.SOURCE.test.", "A")] == ["127.0.0.1"]
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve("_autodiscover._tcp.source.test.", "SRV")
    with pytest.raises(dns.resolver.NoAnswer):
        resolver.resolve("autodiscover.source.test.", "AAAA")


def test_what_is_no_query_is_passed_over(names: Names, resolver: dns.resolver.Resolver) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for junk in (b"", b"\0", b"no query at all, but longer than a header"):
            probe.sendto(junk, ("127.0.0.1", names.port))
    assert resolver.resolve("autodiscover.source.test.", "A")
