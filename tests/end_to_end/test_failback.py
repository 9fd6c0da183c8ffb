"""The way back in one living world: a source killed with a tail, users at work at the target, and home again."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.lab.child import Child
from deploy.lab.comparison.comparison import compare
from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import listed, read
from deploy.lab.world import TARGET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Living = Any
CATEGORY = "mailshadow: both servers changed it"


@pytest.fixture(scope="module")
def versions() -> tuple[str, str]:
    return "2016", "2016"


@pytest.fixture(scope="module")
def back(living: Living) -> Iterator[list[Child]]:
    directory, arguments = living.world.options.directory, ["--config", str(living.world.config), "--back", TARGET]
    owners = [Child(f"{name}-back", [name, *arguments], directory / f"{name}-back.log") for name in ("feed", "replay")]
    yield owners
    for owner in owners:
        owner.stop()


def contents(living: Living, owner: int, *, at_target: bool, folder: str = "inbox") -> Counter[str]:
    """Return subject and categories of every message of a folder, as often as it is there."""
    session = living.target_session if at_target else living.source_session
    user = (living.standbys if at_target else living.users)[owner]
    found = next(f for key, f in folders_of(session, user.address).items() if key == (f"/{folder}",))
    items = read(session, user.address, list(listed(session, user.address, found.folder_id)))
    return Counter(_told(i.canonical) for i in items)


def _told(canonical: Any) -> str:
    return f"{canonical.subject} {'|'.join(canonical.categories)}".strip()


def statement(living: Living, *arguments: str, code: int = 0) -> dict[str, Any]:
    said = str(living.run(*arguments, "--json", code=code))
    found: dict[str, Any] = json.loads(said[said.index("{\n") : said.rindex("}") + 1])
    return found


def test_the_way_back(living: Living, back: list[Child]) -> None:
    user, standby = living.users[0], living.standbys[0]
    ids = [living.put(living.mail(0)) for _ in range(8)]
    living.settle()
    at_target = dict(zip(_subjects(living, 0, at_target=False), _subjects(living, 0, at_target=True), strict=True))
    print(at_target)
    living.world.feed.signal(signal.SIGKILL)
    living.world.feed.stop()
    living.put(living.mail(0))
    user.update(ids[0], "message:IsRead", "<t:IsRead>true</t:IsRead>")
    living.world.source.signal(signal.SIGKILL)
    found = statement(living, "failover", "--all", "--to", TARGET, "--source-lost")
    assert found["stage"] == "DONE"
    standby.create_mail(standby.folder(("/inbox",)), [living.mail(0)])
    living.world.source.kill()
    living.world.source.start()
    living.world.feed.start()
    for owner in back:
        owner.start()
    before = contents(living, 0, at_target=False)
    refused = statement(living, "failback", "--all", code=69)
    print(json.dumps(refused, indent=1)[:3000])
    found = statement(living, "failback", "--all", "--merge")
    print(json.dumps(found, indent=1)[:3000])
    compared = compare(living.world.source_address, living.world.target_address, living.world.mailboxes)
    print(compared, before)
    assert compared.is_clean


def _subjects(living: Living, owner: int, *, at_target: bool) -> list[str]:
    return sorted(contents(living, owner, at_target=at_target))
