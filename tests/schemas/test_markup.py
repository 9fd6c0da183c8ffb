"""Nothing a server writes is expanded, fetched or opened."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.markup import parse, parse_answer

LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]>'


def test_a_document_is_parsed_with_its_declaration_mark_and_comment() -> None:
    prolog = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\r\n<!-- a <b> -->\n'
    assert parse(prolog + "<a b='ü'>ö</a>".encode()).text == "ö"


@pytest.mark.parametrize(
    "document",
    [
        LAUGHS + b"<a>&c;</a>",
        LAUGHS + b"<a b='&c;'/>",
        b'<?xml version="1.0"?><!-- <a> -->\n' + LAUGHS + b"<a/>",
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        ('<?xml version="1.0" encoding="utf-16"?>' + LAUGHS.decode() + "<a>&c;</a>").encode("utf-16"),
    ],
    ids=["content", "attribute", "after a comment", "external", "utf-7", "utf-16"],
)
def test_a_document_that_declares_entities_or_another_encoding_is_refused(document: bytes) -> None:
    with pytest.raises(etree.XMLSyntaxError):
        parse(document)


def test_what_is_not_whole_is_refused() -> None:
    with pytest.raises(etree.XMLSyntaxError):
        parse(b"<a><b></a>")


@pytest.mark.parametrize(
    "written",
    [b"a\x0bb", b"a\x00b", b"a&#x0B;b", b"a&#11;b", b"a&#xFFFFFFFF;b", b"a\xffb", b"a\xef\xbf\xbfb", b"a&#xD800;b"],
    ids=["raw", "NUL", "hex", "decimal", "beyond Unicode", "no UTF-8", "U+FFFF", "surrogate"],
)
def test_what_xml_cannot_hold_becomes_one_replacement_in_an_answer(written: bytes) -> None:
    assert parse_answer(b"<a b='c'>" + written + b"&#x41;\t</a>").text == "a\N{REPLACEMENT CHARACTER}bA\t"


@given(st.binary())
def test_no_bytes_make_an_answer_anything_but_a_document_or_a_syntax_error(content: bytes) -> None:
    for document in (content, b"<a>" + content + b"</a>"):
        with contextlib.suppress(etree.XMLSyntaxError):
            parse_answer(document)


def test_an_answer_with_a_control_byte_may_declare_no_entities_either() -> None:
    with pytest.raises(etree.XMLSyntaxError):
        parse_answer(LAUGHS + b"<a>\x0b&c;</a>")


def test_nothing_in_the_product_parses_xml_in_another_way(repository: Path) -> None:
    """The lab stands apart: it must share nothing with what it tests."""
    found = [
        str(path.relative_to(repository))
        for room in ("schemas", "producers", "consumers", "deploy")
        for path in (repository / room).rglob("*.py")
        if "deploy/lab" not in path.as_posix()
        and any(
            w in path.read_text() for w in ("etree.fromstring", "etree.parse", "XMLParser", "ElementTree", "minidom")
        )
    ]
    assert found == ["schemas/markup.py"]
