"""How a client proves itself to Kafka and Kafka to it: our settings as librdkafka's, secrets read anew each time."""

from dataclasses import dataclass, field
from pathlib import Path

from deploy.secret import Stamp, current, stamp_of

PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
OAUTHBEARER = "OAUTHBEARER"
MECHANISMS = (*PASSWORD_MECHANISMS, OAUTHBEARER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Whom to trust (empty: what the system trusts) and, where the brokers ask for it, our own certificate."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str = field(default="", repr=False)
    key_password_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sasl:
    """Who we are: user and password, or for OAUTHBEARER client id, client secret and where tokens are given."""

    mechanism: str
    user: str
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    token_url: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What of TLS and SASL is used with a cluster; nothing by default."""

    tls: Tls | None = None
    sasl: Sasl | None = None

    def options(self) -> dict[str, str]:
        """Return librdkafka's settings with the secrets of this moment."""
        protocol = {
            (False, False): "",
            (True, False): "SSL",
            (False, True): "SASL_PLAINTEXT",
            (True, True): "SASL_SSL",
        }[self.tls is not None, self.sasl is not None]
        found = {"security.protocol": protocol} if protocol else {}
        if self.tls:
            found |= _tls(self.tls)
        if self.sasl:
            found |= _sasl(self.sasl)
        return found

    def stamp(self) -> Stamp:
        """Return what changes when a secret or a certificate is replaced."""
        tls, sasl = self.tls or Tls(), self.sasl
        files = [tls.ca_file, tls.certificate_file, tls.key_file, tls.key_password_file]
        files += [sasl.password_file] if sasl else []
        return stamp_of(f for f in files if f)


def _tls(tls: Tls) -> dict[str, str]:
    written: dict[str, Path | str | None] = {
        "ssl.ca.location": tls.ca_file,
        "ssl.certificate.location": tls.certificate_file,
        "ssl.key.location": tls.key_file,
        "ssl.key.password": current(tls.key_password_file, tls.key_password),
    }
    return {name: str(value) for name, value in written.items() if value}


def _sasl(sasl: Sasl) -> dict[str, str]:
    password = current(sasl.password_file, sasl.password)
    if sasl.mechanism != OAUTHBEARER:
        return {"sasl.mechanism": sasl.mechanism, "sasl.username": sasl.user, "sasl.password": password}
    found = {
        "sasl.mechanism": OAUTHBEARER,
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": sasl.user,
        "sasl.oauthbearer.client.secret": password,
        "sasl.oauthbearer.token.endpoint.url": sasl.token_url,
    }
    return found | ({"sasl.oauthbearer.scope": sasl.scope} if sasl.scope else {})
