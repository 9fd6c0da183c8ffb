import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.exchange.content import Content, Part, is_body, unpack
from deploy.lab.exchange.soap import EwsError

HEADERS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=9)), max_size=3)
LEAVES = st.builds(Part, HEADERS, st.just("text/plain"), st.sampled_from(["", "base64"]), st.binary(max_size=40))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(Part, HEADERS, st.just("multipart/mixed"), children=st.lists(inner, max_size=3)),
    max_leaves=8,
)


@given(TREES)
def test_what_is_packed_is_unpacked(root: Part) -> None:
    assert unpack(Content(root).pack()).root == root


def test_raw_header_bytes_survive() -> None:
    root = Part([("X", "\udcff")], "text/plain")
    assert unpack(Content(root).pack()).root.headers == [("X", "\udcff")]


def test_damaged_content_is_refused() -> None:
    packed = Content(Part([], "text/plain", "", b"data")).pack()
    for damaged in (packed[:-1], packed + b"x", packed[:6], b"\xff\xff\xff\xff"):
        with pytest.raises(EwsError, match="ErrorItemCorrupt"):
            unpack(damaged)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], True),
        ([("Content-Disposition", "inline")], True),
        ([("Content-Disposition", "attachment")], False),
        ([("Content-Disposition", 'inline; filename="a.txt"')], False),
        ([("Content-Type", 'text/plain; name="a.txt"')], False),
        ([("Content-Type", "text/plain; charset=utf-8")], True),
    ],
)
def test_named_and_attached_texts_are_no_bodies(headers: list[tuple[str, str]], body: bool) -> None:  # noqa: FBT001
    assert is_body(Part(headers, "text/plain")) is body


def test_empty_content_has_one_empty_leaf() -> None:
    assert [leaf.data for leaf in unpack(b"").leaves] == [b""]
