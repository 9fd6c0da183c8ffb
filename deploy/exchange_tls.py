"""TLS to an Exchange server: whom to trust, our own certificate, and the oldest version that is spoken."""

import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Files in PEM: who may sign the server's certificate, our certificate and its key; and the version's floor."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    version_min: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that may be replaced while we run."""
        return tuple(f for f in (self.ca_file, self.certificate_file, self.key_file) if f)


class TlsAdapter(HTTPAdapter):
    """One connection of `requests` with a context of our own; OSError where a file can't be used."""

    def __init__(self, settings: TlsSettings) -> None:
        self._context = context_of(settings)  # before the pool, which the constructor builds
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Build the pool with our context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


def context_of(settings: TlsSettings) -> ssl.SSLContext:
    """Return a context that checks certificate and name, and refuses what is older than the floor."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    with warnings.catch_warnings():
        # the old versions are named by whoever has a server that knows nothing newer
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = settings.version_min
    if settings.version_min < ssl.TLSVersion.TLSv1_2:
        # OpenSSL 3 speaks TLS 1.0 and 1.1 at its lowest level only
        context.set_ciphers("DEFAULT@SECLEVEL=0")
    if settings.certificate_file:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
    return context
