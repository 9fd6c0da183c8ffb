"""What the settings file holds, as values: one class a section, the defaults beside their names."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from deploy.front_door.sections import FrontDoorSection


class SettingsError(Exception):
    """A setting is missing or wrong; the text names its path and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSection:
    """The pipeline's name, which begins every topic, and where caches and the spool live."""

    name: str
    data_directory: Path = Path("mailshadow-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTlsSection:
    """Whom to trust (the system, where no file is named) and our own certificate where the brokers ask for one."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str = field(default="", repr=False)
    key_password_file: Path | None = None
    key_password_env: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSaslSection:
    """Who we are to Kafka; for OAUTHBEARER user and password are the client's id and secret at `token_url`."""

    mechanism: str
    user: str
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    password_env: str = ""
    token_url: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRegistrySection:
    """A schema registry, whose ids then stand in every record that is written."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    password_env: str = ""
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSection:
    """Empty bootstrap servers mean the embedded broker of `mailshadow run`; `min_insync_replicas` 0 the brokers' own.

    `rack` is where this process is, so that it reads from the nearest replica; without `create_topics` a missing topic
    is refused with the commands that make it.
    """

    bootstrap_servers: str = ""
    partition_count: int = 12
    replication_factor: int = 1
    min_insync_replicas: int = 0
    create_topics: bool = True
    rack: str = ""
    tls: KafkaTlsSection | None = None
    sasl: KafkaSaslSection | None = None
    schema_registry: SchemaRegistrySection | None = None
    client: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSection:
    """Where /metrics, /healthz and /readyz listen, and who may read /metrics; a certificate makes it TLS."""

    address: str = "127.0.0.1"
    user: str = ""
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    password_env: str = ""
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSection:
    """One Exchange server and the account that may impersonate its mailboxes; a target may hold the log back."""

    name: str = ""
    url: str
    user: str
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    password_env: str = ""
    version: str = "2016"
    auth: str = "basic"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    tls_version_min: str = "1.2"
    timeout_seconds: float = 120.0
    calls_at_once_max: int = 8
    password_expires_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSection(ServerSection):
    """A server that is written to: which mailboxes it mirrors and where, what of them it leaves out, in which form.

    `mailboxes` are patterns of source addresses, mirrored at the same address or below `domain`; `metrics_port` 0 means
    that of [replay].
    """

    mailboxes: tuple[str, ...] = ()
    domain: str = ""
    folders_left_out: tuple[str, ...] = ()
    classes_left_out: tuple[str, ...] = ()
    age_days_max: int = 0
    portable_only: bool = False
    hold_seconds: float = 0.0
    metrics_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalSection(ServerSection):
    """The scratch server of `rehearse`, and which mailbox there stands for which of the source.

    `address` is a pattern: {local} and {domain} are the parts of the source's address; `addresses` are said one by one
    and count before it.
    """

    address: str = "{local}-rehearsal@{domain}"
    addresses: dict[str, str] = field(default_factory=dict)
    portable_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSection:
    """Content forms, intervals in seconds (no checksums at 0), the port of /metrics (0: none)."""

    forms: tuple[str, ...] = ("STREAM",)
    poll_interval_seconds: float = 30.0
    heartbeat_seconds: float = 30.0
    checksum_interval_seconds: float = 600.0
    streaming: bool = True
    spool_directory: Path | None = None
    metrics_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySection:
    """Mailboxes at once, when a mailbox is held, how often a folder is compared and probed (0: never), a port."""

    mailboxes_at_once: int = 4
    dead_letters_consecutive_max: int = 100
    dead_letters_share_max: float = 0.5
    dead_letters_window_changes: int = 200
    dead_letters_mailboxes_max: int = 3
    breaker_deletions_max: int = 100
    breaker_share_max: float = 0.3
    breaker_window_seconds: float = 3600.0
    checksum_interval_seconds: float = 3600.0
    probe_interval_seconds: float = 30.0
    metrics_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSection:
    """When `status` and `monitor` call for a person, and which mailboxes have series of their own at /metrics.

    `lag_objective_seconds`: how far behind a mailbox may be; `stall_seconds`: after so long without movement it stalls.
    `worst_mailboxes_max`: how many; `mailboxes_shown`: source addresses that always have them.
    """

    lag_objective_seconds: float = 60.0
    stall_seconds: float = 45.0
    worst_mailboxes_max: int = 20
    mailboxes_shown: tuple[str, ...] = ()
    metrics_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSection:
    """A mailbox: its address at the source, and at each target that does not map it by itself."""

    source: str
    targets: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file."""

    pipeline: PipelineSection
    source: ServerSection
    targets: dict[str, TargetSection]
    kafka: KafkaSection = KafkaSection()
    feed: FeedSection = FeedSection()
    replay: ReplaySection = ReplaySection()
    metrics: MetricsSection = MetricsSection()
    monitor: MonitorSection = MonitorSection()
    mailboxes: tuple[MailboxSection, ...] = ()
    front_door: FrontDoorSection = field(default_factory=FrontDoorSection)
    rehearsal: RehearsalSection | None = None
