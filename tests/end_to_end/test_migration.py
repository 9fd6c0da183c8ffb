"""A migration from 2013 to 2019 in two waves: one is cut over, watched and led back while the other stays."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from deploy import exit_codes
from deploy.commands.failures import exit_code_of
from deploy.commands.migrate import migrate
from deploy.lab.child import Child
from deploy.lab.world import TARGET, World, WorldOptions
from schemas.identity import mailbox_id

from .conftest import PARTITIONS, Living
from .test_failback import Server, begun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
LONG = bool(os.environ.get("MAILSHADOW_MIGRATION"))
"""Also kill a cut-over, and cut over the other wave before the first one is led back."""
HEADER = "source,target,wave,priority,archive,notes\n"


class Unregistered(World):
    """A world whose settings name no mailbox: the mapping file does."""

    def write_settings(self) -> None:
        super().write_settings()
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text[: text.index("[[mailboxes]]")], encoding="utf-8")


@pytest.fixture(scope="module")
def migrating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    directory = tmp_path_factory.mktemp("migrating")
    world = Unregistered(WorldOptions(directory=directory, mailbox_count=3, partition_count=PARTITIONS))
    arguments = ["--config", str(world.config), "--back", TARGET]
    owners = [Child(f"{n}-back", [n, *arguments], directory / f"{n}-back.log") for n in ("feed", "replay")]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MAILSHADOW_FEED__FORMS", '["STREAM", "PORTABLE"]')
        try:
            world.broker.start()
            world.start_servers()
            life = Living(world)
            for number in range(3):
                life.put(life.mail(number))
            world.start_services()
            for owner in owners:
                owner.start()
            yield life
        finally:
            for owner in owners:
                owner.stop()
            world.stop()


def told(living: Living, *arguments: str, code: int = exit_codes.OK) -> str:
    """Run a command of the migration in this process to the exit code that is meant; return what it said."""
    ended = CliRunner().invoke(migrate, [*arguments, "--config", str(living.world.config)])
    error = ended.exception
    is_known = isinstance(error, Exception) and not isinstance(error, SystemExit)
    found = exit_code_of(error) if is_known and isinstance(error, Exception) else ended.exit_code
    assert found == code, (arguments, ended.output, error)
    return ended.output + (str(error) if is_known else "")


def planned(living: Living, text: str, *, code: int = exit_codes.OK) -> str:
    file = living.world.options.directory / "waves.csv"
    file.write_text(HEADER + text, encoding="utf-8")
    return told(living, "plan", str(file), "--to", TARGET, code=code)


def value(said: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said[said.index("{\n") : said.rindex("}") + 1])
    return found


def stages(living: Living) -> dict[str, str]:
    return {wave["wave"]: wave["stage"] for wave in value(told(living, "status", "--json"))["waves"]}


def await_ready(living: Living, *waves: str) -> None:
    deadline = time.monotonic() + 60.0
    while not all(stages(living)[wave] == "READY" for wave in waves):
        assert time.monotonic() < deadline, [told(living, "status", wave) for wave in waves]
        time.sleep(0.5)


def approved(living: Living, wave: str, *limits: str) -> None:
    now = datetime.now(UTC)
    opens, closes = now - timedelta(minutes=1), now + timedelta(hours=1)
    told(living, "schedule", wave, "--from", opens.isoformat(), "--until", closes.isoformat(), *limits)
    assert "APPROVED" in told(living, "approve", wave)


def rows() -> str:
    return "".join(
        f"user{n}@source.test,user{n}@target.test,{wave},{priority},,\n"
        for n, wave, priority in ((1, "first", 2), (2, "first", 1), (3, "second", 1))
    )


def test_a_file_that_is_wrong_registers_nobody(migrating: Living) -> None:
    said = planned(migrating, rows() + "user1@source.test,x@target.test,,1,yes,\n", code=exit_codes.SETTINGS)
    assert [line.split(": ")[0] for line in said.splitlines()[1:]] == ["  line 5"] * 3
    assert told(migrating, "status", "--json").count("wave") == 1


def test_planned_mailboxes_are_copied_and_their_waves_become_ready(migrating: Living) -> None:
    assert "3 of 3 mailboxes" in planned(migrating, rows())
    assert "0 of 3 mailboxes" in planned(migrating, rows()), "once more changes nothing"
    assert stages(migrating)["first"] in {"PRE-STAGE", "DELTA"}
    told(migrating, "approve", "first", code=exit_codes.WORD_NEEDED)
    await_ready(migrating, "first", "second")
    assert "has no window" in told(migrating, "approve", "first", code=exit_codes.SETTINGS)
    told(migrating, "cut-over", "first", code=exit_codes.STOPPED)


def test_an_approved_wave_is_cut_over_part_by_part_and_the_other_keeps_up(migrating: Living) -> None:
    approved(migrating, "first", "--limit-at-once", "1")
    if LONG:
        command = begun(migrating, "migrate", "cut-over", "first", until="closed at the source")
        command.kill()
        command.wait(10)
        assert stages(migrating)["first"] == "WINDOW"
    said = told(migrating, "cut-over", "first")
    assert "2 cut over" in said
    order = [mailbox_id(f"user{n}@source.test") for n in (2, 1)]
    assert sorted(order, key=lambda m: said.index(f"{m}  LED  nothing lost")) == order, "by priority"
    new = Server(migrating, 2, at_target=False).new()
    migrating.await_true(lambda: new in {subject for subject, _, _ in Server(migrating, 2, at_target=True).told()})


@pytest.mark.skipif(not LONG, reason="`make migration`")
def test_the_cut_over_of_another_wave_leaves_the_first_one_alone(migrating: Living) -> None:
    before = [row for row in migrating.world.status() if row["mailbox"] != mailbox_id("user3@source.test")]
    await_ready(migrating, "second")
    approved(migrating, "second")
    assert "1 cut over" in told(migrating, "cut-over", "second")
    assert [r for r in migrating.world.status() if r["mailbox"] != mailbox_id("user3@source.test")] == before
    assert stages(migrating) == {"first": "STRAY WATCH", "second": "STRAY WATCH"}


def test_what_comes_to_the_old_source_is_seen_and_brought_over(migrating: Living) -> None:
    stray = Server(migrating, 0, at_target=False).new()
    said = told(migrating, "watch", "first", "--json", code=exit_codes.WORD_NEEDED)
    kinds = {row["mailbox"]: row["kinds"] for row in value(said)["strays"]}
    assert kinds == {mailbox_id("user1@source.test"): {"ItemSaved": 1}, mailbox_id("user2@source.test"): {}}
    told(migrating, "close", "first", code=exit_codes.WORD_NEEDED)
    assert "nothing came" in told(migrating, "watch", "first", "--merge")
    assert stray in {subject for subject, _, _ in Server(migrating, 0, at_target=True).told()}
    assert stages(migrating)["first"] == "STRAY WATCH"


def test_deletions_at_the_old_source_are_brought_over_only_with_a_word_for_them(migrating: Living) -> None:
    old, new = (Server(migrating, 0, at_target=is_new) for is_new in (False, True))
    stray = old.new()
    told(migrating, "watch", "first", "--merge")
    old.user.delete(old.of(stray), how="HardDelete")
    said = told(migrating, "watch", "first", "--merge", code=exit_codes.WORD_NEEDED)
    assert "the old source holds 1 deletions in 1 mailboxes" in said
    assert stray in {subject for subject, _, _ in new.told()}
    told(migrating, "watch", "first", "--merge", "--with-deletions")
    assert stray not in {subject for subject, _, _ in new.told()}


def test_every_user_of_a_wave_is_graded(migrating: Living) -> None:
    directory = migrating.world.options.directory / "report"
    found = value(told(migrating, "report", "first", "--json", "--report", str(directory), "--compare"))
    assert found["grades"] == {"identical": 2, "identical but listed losses": 0, "refused": 0}, found["mailboxes"]
    assert all(one["items_target"] == one["items_source"] > 0 for one in found["mailboxes"])
    assert "IDENTICAL" in (directory / "wave.txt").read_text()


def test_a_wave_is_led_back_while_the_other_stays(migrating: Living) -> None:
    new = Server(migrating, 0, at_target=True).new()
    said = value(told(migrating, "roll-back", "first", "--dry-run", "--json"))
    changes = {row["mailbox"]: (row["changes"], row["losses"]) for row in said["mailboxes"]}
    assert changes == {
        mailbox_id("user1@source.test"): ({"ItemSaved": 1}, {"message: properties that MIME does not hold": 1}),
        mailbox_id("user2@source.test"): ({}, {}),
    }
    told(migrating, "roll-back", "first", code=exit_codes.WORD_NEEDED)
    assert stages(migrating)["first"] == "STRAY WATCH", "without a word for the losses nothing was begun"
    assert "ROLLED BACK" in told(migrating, "roll-back", "first", "--accept-losses")
    assert new in {subject for subject, _, _ in Server(migrating, 0, at_target=False).told()}
    if LONG:
        assert "CLOSED" in told(migrating, "close", "second"), "its users stayed at the target, and nothing was read"
    assert stages(migrating)["second"] in {"CLOSED", "READY"}
    again = Server(migrating, 1, at_target=False).new()
    migrating.await_true(lambda: again in {s for s, _, _ in Server(migrating, 1, at_target=True).told()})
