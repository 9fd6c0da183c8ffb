"""The feed that needs only Kafka has no source to ask; how it obeys stands in tests/producers/test_closing.py."""

import time

import pytest

from deploy.promotion.stand_in import NoSource, SilentDoorbell
from schemas.ports import CallRefused


def test_no_source_refuses_every_call() -> None:
    source = NoSource()
    calls = (
        lambda: source.hierarchy("a", ""), lambda: source.items("a", "f", ""), lambda: source.describe("a", []),
        lambda: source.export("a", []), lambda: source.portable("a", []), lambda: source.listing("a", "f", 0),
        lambda: source.probe("a", []),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(CallRefused, match="captures nothing"):
            call()


def test_a_silent_doorbell_never_rings() -> None:
    doorbell = SilentDoorbell()
    doorbell.watch({"m": "a@b.test"})
    began = time.monotonic()
    doorbell.wait(0.01)
    assert doorbell.rung("m") is None
    assert time.monotonic() - began >= 0.01
