"""When what lets us in runs out: the certificate a server shows, the password of an account."""

import contextlib
import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from deploy.sections import ServerSection

TIMEOUT_SECONDS = 5.0


def certificate_expires_at(server: ServerSection) -> float | None:
    """Return when the certificate behind a server's address runs out (seconds since 1970); None without an answer.

    One that is not accepted is not read: the services say so themselves.
    """
    url = urlsplit(server.url)
    if url.scheme != "https" or not url.hostname:
        return None
    with contextlib.suppress(OSError, ValueError):
        context = ssl.create_default_context(cafile=server.ca_file or None)
        with (
            socket.create_connection((url.hostname, url.port or 443), TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=url.hostname) as connection,
        ):
            return float(ssl.cert_time_to_seconds(str((connection.getpeercert() or {})["notAfter"])))
    return None


def secret_expires_at(server: ServerSection) -> float | None:
    """Return when an account's password runs out, as the settings say; None where they don't."""
    day = server.password_expires_on
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
