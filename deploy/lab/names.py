"""A name server for one client of the lab: some names live at 127.0.0.1, every other one does not exist (RFC 1035)."""

import socket
import threading
from collections.abc import Collection

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL_SECONDS = 60
_QUERY_BYTES_MAX = 4096
_LOOK_SECONDS = 0.2


class Names:
    """Answers on a UDP port of 127.0.0.1 chosen at the start, until it is closed."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(_LOOK_SECONDS)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="names", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._is_closed.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._is_closed.is_set():
            try:
                query, client = self._socket.recvfrom(_QUERY_BYTES_MAX)
            except TimeoutError:
                continue
            if answer := self.answer(query):
                self._socket.sendto(answer, client)

    def answer(self, query: bytes) -> bytes:
        """Return the answer to a query; nothing to what is none."""
        try:
            asked = dns.message.from_wire(query)
            answer = dns.message.make_response(asked)
        except dns.exception.DNSException:
            return b""
        answer.flags |= dns.flags.AA
        for question in asked.question:
            if question.name.to_text(omit_final_dot=True).lower() not in self._names:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif question.rdtype == dns.rdatatype.A:
                answer.answer.append(dns.rrset.from_text(question.name, TTL_SECONDS, "IN", "A", "127.0.0.1"))
        return answer.to_wire()
