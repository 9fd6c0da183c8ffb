"""Which services run, as the groups' members in Kafka say, and whether each target takes connections from here.

Failure: what can't be asked is not told: an operator without the right to see a group, or a Kafka that is away.
"""

import logging
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from confluent_kafka import KafkaError, KafkaException

from deploy.kafka import KafkaSettings, admin, answer_of
from deploy.observation.health import Look
from schemas.topics import Topics

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Why the source is not read, and why nothing can be applied at a target; nothing for what runs."""

    source_down: str = ""
    targets_down: Mapping[str, str] = field(default_factory=dict)

    def with_services(self, look: Look, target: str) -> Look:
        """Return a look that also says what is down."""
        return replace(look, source_down=self.source_down, target_down=self.targets_down.get(target, ""))


def services_of(settings: KafkaSettings, topics: Topics, target_urls: Mapping[str, str]) -> Services:
    """Ask Kafka who is in the groups, and each target for a connection."""
    groups = {target: topics.replay_group(target) for target in target_urls}
    members = members_of(settings, (topics.feed_group, *groups.values()))
    with ThreadPoolExecutor(max(1, len(target_urls))) as pool:
        answers = dict(zip(target_urls, pool.map(takes_connections, target_urls.values()), strict=True))
    targets_down = {}
    for target, group in groups.items():
        if members[group] == 0:
            targets_down[target] = f"no replay of {target} runs"
        elif not answers[target]:
            targets_down[target] = f"{target} takes no connection from here"
    return Services(source_down="no feed runs" if members[topics.feed_group] == 0 else "", targets_down=targets_down)


def members_of(settings: KafkaSettings, groups: Iterable[str]) -> dict[str, int | None]:
    """Return how many members each group has; None where Kafka does not tell."""
    members: dict[str, int | None] = {}
    client = admin(settings)  # named, because an admin client that nobody holds ends its questions
    for group, answer in client.describe_consumer_groups(list(groups)).items():
        try:
            members[group] = len(answer_of(answer).members)
        except KafkaException as error:
            is_absent = error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND
            members[group] = 0 if is_absent else None
            if not is_absent:
                log.info("members of a group not told", extra={"group": group, "why": str(error)})
    return members


def takes_connections(url: str) -> bool:
    """Tell whether the server behind an address takes a connection."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), TIMEOUT_SECONDS):
            return True
    except (OSError, ValueError):
        return False
