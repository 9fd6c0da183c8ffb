"""What lies around the services, each looked at once: names, TLS, clocks, disk, and what the throttle policy shows."""

import shutil
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from deploy import exit_codes
from deploy.commands.preflight import Finding
from deploy.exchange_tls import context_of
from deploy.sections import ServerSection
from deploy.wiring import server_settings

SKEW_SECONDS_MAX = 60.0
FREE_BYTES_MIN = 1_000_000_000
CONNECT_SECONDS = 10.0
CERTIFICATE_DAYS_MIN = 14
Clock = Callable[[], float]


def check_server(section: ServerSection, side: str, clock: Clock = time.time) -> list[Finding]:
    """Look at a server's name, its TLS and its certificate, before anything is asked of it."""
    url = urlsplit(section.url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    away = exit_codes.SOURCE_UNREACHABLE if side == "source" else exit_codes.TARGET_UNREACHABLE
    subject = f"{side} {section.name}"
    try:
        addresses = sorted({str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except OSError as error:
        text = f"{host} has no address ({error.strerror}): check the url of [{side}] and the name service"
        return [Finding(subject=f"{subject}: DNS", is_good=False, text=text, exit_code=away)]
    told = [Finding(subject=f"{subject}: DNS", is_good=True, text=f"{host} is {', '.join(addresses)}")]
    if url.scheme != "https":
        text = "no TLS: the password travels in the clear; use https outside a lab"
        return [*told, Finding(subject=f"{subject}: TLS", is_good=True, text=text)]
    return [*told, _tls(section, f"{subject}: TLS", (host, port), away, clock)]


def _tls(section: ServerSection, subject: str, place: tuple[str, int], away: int, clock: Clock) -> Finding:
    host, port = place
    try:
        with (
            socket.create_connection((host, port), CONNECT_SECONDS) as plain,
            context_of(server_settings(section).tls).wrap_socket(plain, server_hostname=host) as connection,
        ):
            version, certificate = connection.version(), connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate is not trusted ({error.verify_message}): name its authority in ca_file"
        return Finding(subject=subject, is_good=False, text=text, exit_code=away)
    except ssl.SSLError as error:
        floor = section.tls_version_min
        text = f"no agreement ({error.reason}): older than tls_version_min {floor}, or wants a certificate?"
        return Finding(subject=subject, is_good=False, text=text, exit_code=away)
    except OSError as error:
        text = f"{host}:{port} does not answer ({error.strerror or error}): check the url, firewalls, and that it runs"
        return Finding(subject=subject, is_good=False, text=text, exit_code=away)
    days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - clock()) / 86400
    if days < CERTIFICATE_DAYS_MIN:
        text = f"{version}, but the certificate ends in {days:.0f} days: have it renewed"
        return Finding(subject=subject, is_good=False, text=text, exit_code=exit_codes.DIFFERENT)
    return Finding(subject=subject, is_good=True, text=f"{version}, the certificate is good for {days:.0f} days")


def check_clock(subject: str, server_time_seconds: float, clock: Clock = time.time) -> Finding | None:
    """Compare a server's Date with our clock; None where it told none."""
    if not server_time_seconds:
        return None
    skew = server_time_seconds - clock()
    if abs(skew) > SKEW_SECONDS_MAX:
        where = "ahead of" if skew > 0 else "behind"
        text = f"{abs(skew):.0f} s {where} this machine: set both by NTP; lag is wrong by it"
        return Finding(subject=f"{subject}: clock", is_good=False, text=text, exit_code=exit_codes.DIFFERENT)
    return Finding(subject=f"{subject}: clock", is_good=True, text=f"{abs(skew):.0f} s apart")


def check_disk(directory: Path) -> Finding:
    """Write, read and delete a file where caches and spool will be, and see how much room there is."""
    subject = f"disk: {directory}"
    probe = directory / ".mailshadow-check"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"mailshadow")
        probe.unlink()
        free = shutil.disk_usage(directory).free
    except OSError as error:
        text = f"can't be written ({error.strerror}): check pipeline.data_directory and its rights"
        return Finding(subject=subject, is_good=False, text=text, exit_code=exit_codes.DISK)
    if free < FREE_BYTES_MIN:
        text = f"{free / 1e9:.1f} GB free: a large item needs room in the spool; the runbook's table says how much"
        return Finding(subject=subject, is_good=False, text=text, exit_code=exit_codes.DISK)
    return Finding(subject=subject, is_good=True, text=f"{free / 1e9:.0f} GB free")
