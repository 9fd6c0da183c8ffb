"""What servers, operators and users do to a pipeline."""

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from deploy.lab.chaos.faults.scene import Detail, Scene
from deploy.lab.chaos.world import SOURCE

SOURCE_CALLS: Final = ("ExportItems", "GetItem", "SyncFolderItems", "SyncFolderHierarchy", "FindItem")
TARGET_CALLS: Final = ("UploadItems", "CreateItem", "UpdateItem", "MoveItem", "DeleteItem", "FindItem", "GetItem")
COMMAND_SECONDS_MAX: Final = 60.0
LOST_DELETIONS: Final = 6


@contextlib.contextmanager
def server_fault(scene: Scene) -> Iterator[Detail]:
    """Have a server lose answers of what it did, do half a batch, be busy or late."""
    server = scene.world.servers[scene.subject]
    operations = SOURCE_CALLS if scene.subject == SOURCE else TARGET_CALLS
    rules = [_rule(scene.chance, operations) for _ in range(scene.chance.randint(1, 4))]
    for rule in rules:
        server.control("POST", "faults", rule)
    yield {"server": scene.subject, "rules": rules, "may_park": False}


@contextlib.contextmanager
def throttling(scene: Scene) -> Iterator[Detail]:
    """Have a server be busy for everybody, again and again."""
    server = scene.world.servers[scene.subject]
    rules: list[Detail] = [
        {"operation": "*", "action": action, "count": scene.chance.randint(2, 8), "back_off_milliseconds": 500}
        for action in ("busy_fault", "busy_503", "busy_inner")
    ]
    for rule in rules:
        server.control("POST", "faults", rule)
    yield {"server": scene.subject, "rules": rules, "may_park": False}


@contextlib.contextmanager
def refused_item(scene: Scene) -> Iterator[Detail]:
    """Have a target take one item for corrupt: it is parked, and only it."""
    rule = {"operation": "UploadItems", "action": "error", "code": "ErrorCorruptData", "item": 0, "count": 1}
    scene.world.servers[scene.subject].control("POST", "faults", rule)
    yield {"server": scene.subject, "rules": [rule], "may_park": True}


@contextlib.contextmanager
def lost_answers(scene: Scene) -> Iterator[Detail]:
    """Have a target do what it is asked to and lose the answers: every settlement is walked."""
    operations = ("MoveItem", "UpdateItem", "DeleteItem", "UploadItems", "CreateItem")
    rules: list[Detail] = [
        {"operation": operation, "action": scene.chance.choice(("drop_after", "cut_answer", "half")), "count": 1,
         "after": scene.chance.randint(0, 2)}
        for operation in operations
    ]  # fmt: skip
    for rule in rules:
        scene.world.servers[scene.subject].control("POST", "faults", rule)
    yield {"server": scene.subject, "rules": rules, "may_park": False}


@contextlib.contextmanager
def unreadable_item(scene: Scene) -> Iterator[Detail]:
    """Have the source fail to hand out one item of a batch, a few times: it is owed until it does."""
    code, count = "ErrorInternalServerTransientError", scene.chance.randint(1, 4)
    rule = {"operation": "ExportItems", "action": "error", "code": code, "item": 0, "count": count}
    scene.world.servers[scene.subject].control("POST", "faults", rule)
    yield {"server": scene.subject, "rules": [rule], "may_park": False}


@contextlib.contextmanager
def resync(scene: Scene) -> Iterator[Detail]:
    """Order the whole content of a mailbox once more, as an operator does."""
    mailbox = scene.chance.choice(scene.world.mailboxes)[0]
    command = [sys.executable, "-m", "deploy", "mailboxes", "resync", "--config", str(scene.world.config), mailbox]
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, timeout=COMMAND_SECONDS_MAX, check=False
    )
    yield {"mailbox": mailbox, "code": done.returncode}


@contextlib.contextmanager
def foreign(scene: Scene) -> Iterator[Detail]:
    """Let users at a target copy one of our items, stamp included, and write mail of their own."""
    yield scene.strangers.act(scene.subject, scene.chance)


@contextlib.contextmanager
def foreign_twins(scene: Scene) -> Iterator[Detail]:
    """Let users at a target copy items twice, and lose the answers to deletions: what is settled has two doubles."""
    yield _copied_and_deleted(scene, copies=2)


@contextlib.contextmanager
def foreign_double(scene: Scene) -> Iterator[Detail]:
    """Let them copy each once: who looks for its stamp finds exactly one item, and it is not ours."""
    yield _copied_and_deleted(scene, copies=1)


def _copied_and_deleted(scene: Scene, *, copies: int) -> Detail:
    copied = scene.strangers.copy_newest(scene.subject, scene.chance, copies=copies)
    rule = {"operation": "DeleteItem", "action": "drop_after", "count": LOST_DELETIONS, "after": 0}
    scene.world.servers[scene.subject].control("POST", "faults", rule)
    return {"server": scene.subject, "rules": [rule], "may_park": False, **copied}


@contextlib.contextmanager
def foreign_in_folders(scene: Scene) -> Iterator[Detail]:
    """Let users at a target keep mail of their own in the folders we made."""
    yield scene.strangers.settle_in_folders(scene.subject)


def _rule(chance: random.Random, operations: tuple[str, ...]) -> Detail:
    action = chance.choice(
        ("drop_before", "drop_after", "drop_after", "half", "delay_before", "delay_after", "busy_item", "cut_answer")
    )
    rule: Detail = {
        "operation": chance.choice(operations), "action": action, "count": chance.randint(1, 3),
        "after": chance.randint(0, 3),
    }  # fmt: skip
    if action.startswith("delay"):
        rule["seconds"] = chance.choice((0.5, 3.0, 12.0))
    return rule
