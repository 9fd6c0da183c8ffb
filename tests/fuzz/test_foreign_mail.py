"""Mutated mail: whatever a user or a server writes is read without an exception, and the same each time.

The short form mutates generated mail. `make fuzz` makes 100,000 inputs, of the corpus where it lies beside the
repository.
"""

from __future__ import annotations

import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.exchange.bodies import body_of, describe_all
from deploy.lab.exchange.headers import fields_of
from deploy.lab.exchange.mime import parse_mime
from deploy.lab.workload.generator import Generator
from producers.fingerprint import digest
from schemas.canonical import ShownItem
from schemas.canonical_message import from_message

IS_LONG = "MAILSHADOW_FUZZ" in os.environ
INPUTS = 100_000 if IS_LONG else 2_000
SIZE_BYTES_MAX = 20_000
SHOWN = ShownItem(item_class="IPM.Note")
NESTED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
TOKENS = (
    b"; charset*=undefined''x", b"; charset*0=a; charset*=b", b"; name*0=a; name*=idna''%ff", b"; filename*=utf-8''%f%",
    b"; boundary*0=b; boundary*=b", b'; boundary="', b"\0", b"\r\n ", b"\r\n\r\n", b"=?undefined?q?x?=",
    b"=?utf-8?b?!?=", b"a:" * 300, b"(" * 300, b"--", b"\xff\xfe", b"\x0b", NESTED * 80, b"Date: 99 Feb 0 -9999\r\n",
    b"Content-Type: message/rfc822\r\n\r\n" * 80, b"Content-Transfer-Encoding: x-uuencode\r\n",
)  # fmt: skip


def corpus_messages(repository: Path) -> list[bytes]:
    archive = repository.parent / "shared" / "corpus" / "spam-assassin.tar.xz"
    if not archive.is_file():
        return []
    with tarfile.open(archive) as files:
        streams = (files.extractfile(member) for member in files if member.isfile() and member.size <= SIZE_BYTES_MAX)
        return [stream.read() for stream in streams if stream is not None]


def generated_messages() -> list[bytes]:
    generator = Generator(7, ("anna@source.test",))
    return [mail.mime[:SIZE_BYTES_MAX] for mail in generator.mails(0, 60)]


def mutated(chance: random.Random, mime: bytes) -> bytes:
    data = bytearray(mime)
    for _ in range(chance.randint(1, 6)):
        at, size = chance.randrange(len(data) + 1), chance.randrange(40)
        match chance.randrange(5):
            case 0:
                data[at:at] = chance.choice(TOKENS)
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = data[at : at + size]
            case 3:
                data[at : at + 1] = chance.randbytes(1)
            case _:
                # where the parameters of a header stand
                place = data.find(b";", at)
                data[max(place, 0) : max(place, 0)] = chance.choice(TOKENS)
    return bytes(data)


def inputs(messages: list[bytes]) -> Iterator[tuple[int, bytes]]:
    for seed in range(INPUTS):
        chance = random.Random(seed)
        yield seed, mutated(chance, chance.choice(messages))


@pytest.mark.timeout(3600)
def test_mutated_mail_is_read_without_an_exception_and_the_same_each_time(repository: Path) -> None:
    messages = (corpus_messages(repository) if IS_LONG else []) or generated_messages()
    for seed, mime in inputs(messages):
        try:
            canonical = from_message(mime, SHOWN)
            fingerprint = digest(mime, {}, is_draft=False)
            content = parse_mime(mime)
            shown = body_of(content), describe_all(content), fields_of(content.root.headers)
        except Exception as error:  # noqa: BLE001 - the seed tells which input it was
            pytest.fail(f"seed {seed}: {type(error).__name__}: {error}")
        if seed % 10 == 0:
            assert from_message(bytes(mime), SHOWN).digest() == canonical.digest(), seed
            assert digest(bytes(mime), {}, is_draft=False) == fingerprint, seed
            assert body_of(content) == shown[0], seed
