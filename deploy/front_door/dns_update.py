"""A name server (RFC 2136 updates, signed with TSIG) as the front door: names lead to the live server's address.

Each update is a compare-and-set: its prerequisite is what the names hold now, so that nobody's change is overwritten,
and a repeat finds that it was made already. DNS can't close anything, and its answers live on in caches.
"""

import re
import socket
from collections.abc import Sequence
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.tsig
import dns.update

from deploy.front_door.actuator import ActuatorError, ActuatorStep, Hold, Place, Redirection, held_by_nobody
from deploy.front_door.rules import kind_of_record
from deploy.front_door.sections import DnsSection

NAME = "front_door.dns"
_NOBODY = {"A": "192.0.2.1", "AAAA": "2001:db8::1", "CNAME": "nobody.invalid."}
"""Addresses set aside for documents (RFC 5737, 3849): deleting one that isn't there changes nothing."""
_KEY = re.compile(r'key\s+"?([^"\s{]+)"?\s*\{([^}]*)\}', re.DOTALL)
_ADVICE = {
    dns.rcode.REFUSED: "the server refused the update: grant the key these names (update-policy)",
    dns.rcode.NOTAUTH: "the server does not accept the key or is not authoritative: check key_file, zone, clocks",
    dns.rcode.NOTZONE: "a name is not in the zone: check front_door.dns.names",
    dns.rcode.SERVFAIL: "the server could not write the zone: see its log",
    dns.rcode.NXRRSET: "the names hold something else than recorded: somebody changed them; look, then run it again",
    dns.rcode.NXDOMAIN: "a name is not in the zone yet: add it with the address of the server it leads to",
}


class _UpdateError(Exception):
    """An update or query failed; the text says what to do."""


class DnsActuator:
    """Leads every client of some names at once."""

    name = NAME
    leads_all = True

    def __init__(self, section: DnsSection, mailboxes: frozenset[str], hold: Hold = held_by_nobody) -> None:
        self._hold = hold
        self._section = section
        self._mailboxes = mailboxes
        self._kind = kind_of_record(next(iter(section.addresses.values()), ""))

    def check(self, redirections: Sequence[Redirection]) -> None:
        """Find every name at `from_place` with a short enough TTL, and the key let in, without changing anything."""
        step = ActuatorStep.CHECK
        pair = self._pair(redirections, step)
        if pair is None:
            return
        try:
            self._refuse_elsewhere(pair[0])
            self._send([(name, pair[0], _NOBODY[self._kind], None) for name in self._section.names])
        except _UpdateError as error:
            raise ActuatorError(NAME, step, str(error)) from error

    def close(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass: a name can't be closed, the fence of the source has to hold clients off."""

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        """Have every name hold the address of `to_place`, all in one update."""
        if pair := self._pair(redirections, ActuatorStep.REDIRECT):
            self._change(ActuatorStep.REDIRECT, pair[0], pair[1])

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        """Ask the name server, as a resolver does, and find `to_place`."""
        if pair := self._pair(redirections, ActuatorStep.CONFIRM):
            try:
                self._refuse_elsewhere(pair[1])
            except _UpdateError as error:
                raise ActuatorError(NAME, ActuatorStep.CONFIRM, str(error)) from error

    def undo(self, redirections: Sequence[Redirection]) -> None:
        """Have every name hold the address of `from_place` again."""
        if pair := self._pair(redirections, ActuatorStep.UNDO):
            self._change(ActuatorStep.UNDO, pair[1], pair[0])

    def experience(self) -> str:
        """Return what clients will see of a redirection."""
        return (
            f"clients follow when their resolver asks again, after {self._section.ttl_seconds} s or what it keeps to; "
            "some programs keep an address until they are started again; open connections stay where they are"
        )

    # -- names ---------------------------------------------------------------------------------------------

    def _pair(self, redirections: Sequence[Redirection], step: ActuatorStep) -> tuple[str, str] | None:
        if not redirections:
            return None
        if left := self._mailboxes - {r.mailbox for r in redirections}:
            raise ActuatorError(NAME, step, f"a name leads all mailboxes at once, and {len(left)} would stay behind")
        pairs = {(self._address(r.from_place, step), self._address(r.to_place, step)) for r in redirections}
        if len(pairs) > 1:
            raise ActuatorError(NAME, step, "all mailboxes must come from one server and go to one")
        return pairs.pop()

    def _address(self, place: Place, step: ActuatorStep) -> str:
        address = self._section.addresses.get(place.server)
        if address is None:
            raise ActuatorError(NAME, step, f"addresses.{place.server} is missing: say what the names hold for it")
        return f"{address.rstrip('.')}." if self._kind == "CNAME" else address

    def _change(self, step: ActuatorStep, old: str, new: str) -> None:
        try:
            there = {name: self._asked(name)[0] for name in self._section.names}
            changes = [(name, old, old, new) for name, found in there.items() if found != {new.lower()}]
            if changes:
                self._hold(self._section.timeout_seconds)
                self._send(changes)
        except _UpdateError as error:
            raise ActuatorError(NAME, step, str(error)) from error

    def _refuse_elsewhere(self, wanted: str) -> None:
        for name in self._section.names:
            found, ttl_seconds = self._asked(name)
            if found != {wanted.lower()}:
                raise _UpdateError(f"{name} holds {', '.join(sorted(found)) or 'nothing'}, not {wanted}")
            if ttl_seconds > self._section.ttl_seconds:
                raise _UpdateError(
                    f"{name} has a TTL of {ttl_seconds} s: clients would stay that long; lower it to "
                    f"{self._section.ttl_seconds} s (front_door.dns.ttl_seconds) well before"
                )

    def _asked(self, name: str) -> tuple[set[str], int]:
        question = dns.message.make_query(dns.name.from_text(name), self._kind)
        answer = self._exchange(question)
        sets = [s for s in answer.answer if s.rdtype == dns.rdatatype.from_text(self._kind)]
        return {r.to_text().lower() for s in sets for r in s}, max((s.ttl for s in sets), default=0)

    def _send(self, changes: Sequence[tuple[str, str, str, str | None]]) -> None:
        """Send one update: (name, what it must hold, what to delete of it, what to add)."""
        ring, key_name, algorithm = key_of(self._section.key_file)
        update = dns.update.UpdateMessage(self._section.zone, keyring=ring, keyname=key_name, keyalgorithm=algorithm)
        for name, old, gone, new in changes:
            absolute = dns.name.from_text(name)
            update.present(absolute, self._kind, old)
            update.delete(absolute, self._kind, gone)
            if new is not None:
                update.add(absolute, self._section.ttl_seconds, self._kind, new)
        self._exchange(update)

    def _exchange(self, message: dns.message.Message) -> dns.message.Message:
        where = f"{self._section.server} port {self._section.port}"
        try:
            address = socket.gethostbyname(self._section.server)
            answer = dns.query.tcp(message, address, timeout=self._section.timeout_seconds, port=self._section.port)
        except dns.tsig.PeerError as error:
            advice = "check key_file, its name and algorithm, and both clocks"
            raise _UpdateError(f"{where} does not accept the key ({type(error).__name__}): {advice}") from error
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise _UpdateError(f"{where} does not answer ({type(error).__name__}); start it and try again") from error
        if answer.rcode() != dns.rcode.NOERROR and not (
            answer.rcode() == dns.rcode.NXDOMAIN and not isinstance(message, dns.update.UpdateMessage)
        ):
            text = dns.rcode.to_text(answer.rcode())
            raise _UpdateError(f"{where}: {text}: {_ADVICE.get(answer.rcode(), 'see its log')}")
        return answer


def key_of(path: Path) -> tuple[dict[dns.name.Name, dns.tsig.Key], dns.name.Name, dns.name.Name]:
    """Return key ring, name and algorithm of a key file as tsig-keygen writes it."""
    try:
        found = _KEY.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _UpdateError(f"key_file {path} can't be read; check it and its rights") from error
    values = dict(re.findall(r'(algorithm|secret)\s+"?([^";\s]+)"?\s*;', found[2])) if found else {}
    if found is None or len(values) < 2:  # noqa: PLR2004 - algorithm and secret
        raise _UpdateError(f"key_file {path} holds no key; make one with tsig-keygen")
    name, algorithm = dns.name.from_text(found[1]), dns.name.from_text(values["algorithm"])
    try:
        return {name: dns.tsig.Key(name, values["secret"], algorithm)}, name, algorithm
    except ValueError as error:
        raise _UpdateError(f"key_file {path} holds no key in base64; make one with tsig-keygen") from error
