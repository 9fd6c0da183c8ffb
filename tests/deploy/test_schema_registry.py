"""Records carry a registry's ids where there is one; other tools decode them, and both forms are read at any time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from deploy.schema_registry import SchemaRegistryError, registered
from schemas import framing
from schemas.change import Change, FolderDeleted
from schemas.codec import MARKER, TOP_LEVEL, CodecError, decode, encode, schema_texts

URL = "mock://registry"
CHANGE = Change(
    mailbox="m",
    generation=1,
    sequence=7,
    captured_at=1,
    source_version="15.2",
    operation=FolderDeleted(folder_id="f"),
)


@pytest.fixture
def client() -> Any:
    return SchemaRegistryClient.new_client({"url": URL})


@pytest.fixture
def registry(client: Any) -> Iterator[framing.Registered]:
    found = registered(client, URL)
    framing.use_registry(found)
    yield found
    framing.use_registry(None)


def test_every_top_level_record_has_a_subject_and_an_id_of_its_own(client: Any, registry: framing.Registered) -> None:
    assert sorted(client.get_subjects()) == sorted(f"mailshadow.{t.__name__}" for t in TOP_LEVEL)
    assert len(set(registry.ids.values())) == len(TOP_LEVEL)


def test_a_tool_that_knows_only_the_registry_decodes_our_records(client: Any, registry: framing.Registered) -> None:
    data = encode(CHANGE)
    assert data[0] == 0
    assert int.from_bytes(data[1:5], "big") == registry.ids["Change"]
    found = AvroDeserializer(client)(data, SerializationContext("p.changes.mail", MessageField.VALUE))
    assert (found["mailbox"], found["sequence"]) == ("m", 7)
    assert found["operation"]["folder_id"] == "f"


def test_both_forms_are_read_with_a_registry(registry: framing.Registered) -> None:
    with_id = encode(CHANGE)
    framing.use_registry(None)
    without = encode(CHANGE)
    framing.use_registry(registry)
    assert without.startswith(MARKER)
    assert decode(with_id) == decode(without) == CHANGE


@pytest.mark.usefixtures("registry")
def test_without_the_registry_a_record_with_an_id_says_what_is_missing() -> None:
    data = encode(CHANGE)
    framing.use_registry(None)
    with pytest.raises(CodecError, match=r"schema \d+ of a schema registry: set kafka\.schema_registry\.url"):
        decode(data)


@pytest.mark.usefixtures("registry")
def test_another_registration_of_the_same_schema_is_read_too(client: Any) -> None:
    """As after a move to another registry: the id is another one, the schema is asked for."""
    spaced = schema_texts()["Change"].replace('"name"', ' "name"')
    number = client.register_schema("moved", Schema(spaced.replace('"doc"', '"note"'), "AVRO"))
    data = encode(CHANGE)
    assert decode(b"\x00" + number.to_bytes(4, "big") + data[5:]) == CHANGE


@pytest.mark.usefixtures("registry")
def test_an_id_nobody_knows_and_a_schema_that_is_not_ours_are_said(client: Any) -> None:
    foreign = client.register_schema("foreign", Schema('{"type": "string"}', "AVRO"))
    with pytest.raises(CodecError, match="no schema for a record"):
        decode(b"\x00" + foreign.to_bytes(4, "big") + b"\x02a")
    with pytest.raises(CodecError, match="schema 987654 of mock://registry"):
        decode(b"\x00" + (987654).to_bytes(4, "big") + b"\x02a")


def test_a_registry_that_refuses_is_named_with_its_setting(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError("secret of the request")

    monkeypatch.setattr(client, "register_schema", refuse)
    with pytest.raises(SchemaRegistryError, match=r"kafka\.schema_registry") as raised:
        registered(client, URL)
    assert "secret" not in str(raised.value)


@pytest.mark.usefixtures("registry")
def test_damage_is_said_in_this_form_too() -> None:
    with pytest.raises(CodecError, match="damaged Change"):
        decode(encode(CHANGE)[:-3])
    assert replace(CHANGE, sequence=8) == decode(encode(replace(CHANGE, sequence=8)))
