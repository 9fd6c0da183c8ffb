"""A broker that asks who somebody is and what he may: one more listener with logins, and Kafka's own authorizer.

The listener the lab itself uses stays as it was and may do everything; whoever comes through the other one may do
only what an ACL allows. Logins: PLAIN with fixed passwords, SCRAM with what an administrator sets, OAUTHBEARER with
unsigned tokens (Kafka's own validator for development).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.lab.broker.properties import Door

NAME = "LOGIN"
_PREFIX = f"listener.name.{NAME.lower()}"
_MODULES = "org.apache.kafka.common.security"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The port of the listener, the users of PLAIN, and PEM files that make it TLS (with clients' certificates)."""

    port: int
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    keystore: Path | None = None
    truststore: Path | None = None

    @property
    def door(self) -> Door:
        """The listener."""
        protocol = "SASL_SSL" if self.keystore else "SASL_PLAINTEXT"
        return Door(name=NAME, port=self.port, advertised_port=self.port, protocol=protocol)

    def properties(self) -> dict[str, str]:
        """Return what the broker is told beside the listener."""
        users = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        found = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            f"{_PREFIX}.sasl.enabled.mechanisms": ",".join(MECHANISMS),
            f"{_PREFIX}.plain.sasl.jaas.config": f"{_MODULES}.plain.PlainLoginModule required {users};",
            f"{_PREFIX}.oauthbearer.sasl.jaas.config": (
                f"{_MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=broker;"
            ),
        }
        for strength in ("256", "512"):
            found[f"{_PREFIX}.scram-sha-{strength}.sasl.jaas.config"] = f"{_MODULES}.scram.ScramLoginModule required;"
        if self.keystore:
            found |= {f"{_PREFIX}.ssl.keystore.type": "PEM", f"{_PREFIX}.ssl.keystore.location": str(self.keystore)}
        if self.truststore:
            found |= {
                f"{_PREFIX}.ssl.truststore.type": "PEM",
                f"{_PREFIX}.ssl.truststore.location": str(self.truststore),
                f"{_PREFIX}.ssl.client.auth": "required",
            }
        return found
