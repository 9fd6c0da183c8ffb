"""Who may do what in Kafka: the least each role needs of a pipeline, as values, commands and JSON.

Kafka's READ and WRITE include DESCRIBE. A transactional id needs WRITE, an offset committed in a transaction READ of
its topic and group. Every service sees every topic of its pipeline, so that a missing one or another partition count
is found at the start.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.topics import Topics, readers_group


class Resource(StrEnum):
    """What a right is about, as `kafka-acls.sh` names it."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Right:
    """Operations a principal may do on one resource, or on all whose names begin so."""

    principal: str
    resource: Resource
    name: str
    operations: tuple[str, ...]
    is_prefix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Principals:
    """Who the services and the operators are to Kafka, such as `User:mailshadow-feed`; replays by target."""

    feed: str
    replays: Mapping[str, str]
    operator: str


def rights_of(topics: Topics, principals: Principals) -> list[Right]:
    """Return every right of every principal, none that is not needed; the same twice only for the same principal."""
    targets = tuple(principals.replays)
    found = _feed(principals.feed, topics, targets)
    for target, principal in principals.replays.items():
        found += _replay(principal, topics, target, targets)
    return _merged(found + _operator(principals.operator, topics, targets))


def rights_of_way_back(there: Topics, back: Topics, principals: Principals, replay: str) -> list[Right]:
    """Return what the way back from a target needs beside the rights of the first direction (`replay`: its replay).

    `principals` are of the way back. Each direction takes over what the other left, so the four services read the
    other one's state.
    """
    (source,) = principals.replays
    left_there = (there.mailboxes, there.source_state, there.target_state(back.source))
    left_back = (back.mailboxes, back.source_state, back.target_state(source))
    found = rights_of(back, principals)
    for who in (principals.feed, *principals.replays.values()):
        found += [Right(who, Resource.TOPIC, name, ("READ",)) for name in left_there]
    for who in (principals.feed, replay):
        found += [Right(who, Resource.TOPIC, name, ("READ",)) for name in left_back]
    return _merged(found)


def rights_of_rehearsals(prefix: str, operator: str) -> list[Right]:
    """Return what an operator needs to hold rehearsals and throw them away; `prefix` begins all their names."""
    topic = ("CREATE", "READ", "WRITE", "DELETE")
    return [
        Right(operator, Resource.TOPIC, prefix, topic, is_prefix=True),
        Right(operator, Resource.GROUP, prefix, ("READ", "DELETE"), is_prefix=True),
        Right(operator, Resource.TRANSACTIONAL_ID, prefix, ("WRITE",), is_prefix=True),
    ]


def _feed(who: str, topics: Topics, targets: tuple[str, ...]) -> list[Right]:
    used = {
        topics.changes: ("READ", "WRITE"),
        topics.mailboxes: ("READ", "WRITE"),
        topics.source_state: ("READ", "WRITE"),
        topics.orders(topics.source): ("READ",),
        topics.control: ("READ",),
        **{topics.target_state(t): ("READ",) for t in targets},
    }
    return [*_service(who, topics.feed_group), *_topics(who, topics, targets, used)]


def _replay(who: str, topics: Topics, target: str, targets: tuple[str, ...]) -> list[Right]:
    used = {
        topics.changes: ("READ",),
        topics.mailboxes: ("READ",),
        topics.target_state(target): ("READ", "WRITE"),
        topics.dead_letters(target): ("READ", "WRITE"),
        topics.orders(target): ("READ",),
        topics.orders(topics.source): ("WRITE",),
        topics.control: ("READ",),
    }
    return [*_service(who, topics.replay_group(target)), *_topics(who, topics, targets, used)]


def _operator(who: str, topics: Topics, targets: tuple[str, ...]) -> list[Right]:
    """Return what the command line needs: it reads everything, writes orders and registrations, makes and checks."""
    orders = {topics.orders(server) for server in (topics.source, *targets)}
    written = orders | {topics.control}
    found = [
        Right(who, Resource.TOPIC, name, ("READ", *(("WRITE",) if name in written else ()), "DESCRIBE_CONFIGS"))
        for name in _names(topics, targets)
    ]
    found.append(Right(who, Resource.TOPIC, f"{topics.pipeline}.", ("CREATE",), is_prefix=True))
    found.append(Right(who, Resource.GROUP, readers_group(topics.changes), ("DESCRIBE",)))
    found.append(Right(who, Resource.GROUP, topics.feed_group, ("DESCRIBE",)))  # does a feed run?
    found.append(Right(who, Resource.CLUSTER, "kafka-cluster", ("DESCRIBE_CONFIGS",)))
    # who drives a promotion, and who decides about a wave, is fenced like any owner
    driven = (topics.failover_id, topics.migration_id)
    found += [Right(who, Resource.TRANSACTIONAL_ID, name, ("WRITE",)) for name in driven]
    found.append(Right(who, Resource.GROUP, f"{topics.failover_id}.watch", ("DESCRIBE",)))
    for target in targets:
        ours = (topics.target_state(target), topics.dead_letters(target), topics.orders(target))
        found += [Right(who, Resource.TOPIC, name, ("DELETE",)) for name in ours]
        found.append(Right(who, Resource.GROUP, topics.replay_group(target), ("DELETE",)))
    return found


def _service(who: str, group: str) -> list[Right]:
    return [
        Right(who, Resource.GROUP, group, ("READ",)),
        Right(who, Resource.GROUP, readers_group(group), ("DESCRIBE",)),
        Right(who, Resource.TRANSACTIONAL_ID, f"{group}.", ("WRITE",), is_prefix=True),
    ]


def _topics(who: str, topics: Topics, targets: tuple[str, ...], used: Mapping[str, tuple[str, ...]]) -> Iterable[Right]:
    return [Right(who, Resource.TOPIC, name, used.get(name, ("DESCRIBE",))) for name in _names(topics, targets)]


def _names(topics: Topics, targets: tuple[str, ...]) -> list[str]:
    return [t.name for t in topics.catalogue(targets, 1)]


def _merged(rights: Iterable[Right]) -> list[Right]:
    """Join what one principal may do on one resource; DESCRIBE is dropped where another operation includes it."""
    found: dict[tuple[str, Resource, str, bool], dict[str, None]] = {}
    for right in rights:
        key = (right.principal, right.resource, right.name, right.is_prefix)
        found.setdefault(key, {}).update(dict.fromkeys(right.operations))
    for operations in found.values():
        if operations.keys() & {"READ", "WRITE"}:
            operations.pop("DESCRIBE", None)
    return [Right(who, kind, name, tuple(ops), prefix) for (who, kind, name, prefix), ops in found.items()]


def as_commands(rights: Iterable[Right], bootstrap_servers: str) -> list[str]:
    """Return one `kafka-acls.sh` command a right."""
    return [_command(right, bootstrap_servers) for right in rights]


def _command(right: Right, bootstrap_servers: str) -> str:
    words = ["kafka-acls.sh", "--bootstrap-server", bootstrap_servers, "--command-config", "admin.properties"]
    words += ["--add", "--allow-principal", right.principal]
    for operation in right.operations:
        words += ["--operation", operation.title().replace("_", "")]
    words += ["--cluster"] if right.resource is Resource.CLUSTER else [f"--{right.resource}", right.name]
    words += ["--resource-pattern-type", "prefixed"] if right.is_prefix else []
    return shlex.join(words)


def as_json_rows(rights: Iterable[Right]) -> list[dict[str, object]]:
    """Return one object a right, for tools that keep ACLs as data."""
    return [
        {
            "principal": right.principal,
            "resource": str(right.resource),
            "name": right.name,
            "pattern": "prefixed" if right.is_prefix else "literal",
            "operations": list(right.operations),
            "permission": "allow",
            "host": "*",
        }
        for right in rights
    ]
