"""The settings of the way back: the servers in each other's place, topics of its own, and no way to what is too old."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.promotion.turned import is_lossy, turned
from deploy.sections import (
    FeedSection,
    MailboxSection,
    PipelineSection,
    ReplaySection,
    ServerSection,
    Settings,
    SettingsError,
    TargetSection,
)
from deploy.wiring import catalogue_of, topics_of

THERE = Settings(
    pipeline=PipelineSection(name="p", data_directory=Path("data")),
    source=ServerSection(name="old", url="https://old/", user="o", version="2016", timeout_seconds=7.0),
    targets={
        "one": TargetSection(name="", url="https://one/", user="n", version="2016", classes_left_out=("IPM.Task",)),
        "two": TargetSection(name="", url="https://two/", user="n"),
    },
    mailboxes=(
        MailboxSection(source="a@old.test", targets={"one": "a@one.test", "two": "a@two.test"}),
        MailboxSection(source="b@old.test", targets={"two": "b@two.test"}),
    ),
)


def test_source_and_target_change_places_and_other_targets_and_their_mailboxes_have_no_part() -> None:
    back = turned(THERE, "one")
    assert (back.source.name, back.source.url, back.source.user) == ("one", "https://one/", "n")
    assert list(back.targets) == ["old"]
    target = back.targets["old"]
    assert (target.url, target.user, target.timeout_seconds, target.classes_left_out) == ("https://old/", "o", 7.0, ())
    assert [(m.source, m.targets) for m in back.mailboxes] == [("a@one.test", {"old": "a@old.test"})]


def test_its_services_leave_the_ports_to_those_of_the_first_direction() -> None:
    back = turned(replace(THERE, feed=FeedSection(metrics_port=9477), replay=ReplaySection(metrics_port=9478)), "one")
    assert (back.feed.metrics_port, back.replay.metrics_port, back.targets["old"].metrics_port) == (0, 0, 0)


def test_the_way_back_shares_registry_and_office_and_no_other_topic() -> None:
    there, back = ({t.name for t in catalogue_of(s)} for s in (THERE, turned(THERE, "one")))
    assert there & back == {"p.control"}
    assert topics_of(turned(THERE, "one")).orders("old") == "p.orders-back.old"


@pytest.mark.parametrize(
    ("source", "target", "lossy", "forms"),
    [
        ("2016", "2016", False, ("STREAM", "PORTABLE")),
        ("2019", "2013", False, ("STREAM", "PORTABLE")),
        ("2013", "2019", True, ("PORTABLE", "ELEMENTS")),
    ],
)
def test_a_stream_goes_back_only_to_a_server_that_is_not_older(
    source: str, target: str, forms: tuple[str, ...], *, lossy: bool
) -> None:
    there = replace(
        THERE,
        source=replace(THERE.source, version=source),
        targets={"one": replace(THERE.targets["one"], version=target)},
    )
    back = turned(there, "one")
    assert is_lossy(back) == lossy
    assert back.feed.forms == forms


def test_there_is_no_way_back_to_a_server_that_can_t_be_written_to() -> None:
    with pytest.raises(SettingsError, match=r"source\.version: 2010_SP1 can't be written to"):
        turned(replace(THERE, source=replace(THERE.source, version="2010_SP1")), "one")
