import re

from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.exchange.content import Content, Part
from deploy.lab.exchange.mime import parse_headers, parse_mime
from deploy.lab.exchange.rendering import render

GENERATIONS = [(14, 1), (15, 0), (15, 1), (15, 2)]
MIXED = (
    b'Subject: s\r\nX-A: 1\r\nFrom: a@b.c\r\nContent-Type: multipart/mixed; boundary="old"\r\n\r\n'
    b"--old\r\n\r\nt\r\n--old--\r\n"
)


def test_boundaries_are_new_at_every_rendering_and_other_parameters_stay() -> None:
    mime = MIXED.replace(b'boundary="old"', b'type=x; boundary="old"; charset=y')
    first, second = (render(parse_mime(mime), (15, 2)) for _ in range(2))
    assert first != second
    assert b"old" not in first
    assert b"type=x" in first
    assert b"charset=y" in first


def test_generations_order_and_fold_differently_and_mean_the_same() -> None:
    mime = b"X-Long: " + b"word " * 60 + b"end\r\n" + MIXED
    rendered = [re.sub(rb"_00\d_\w+_", b"BOUNDARY", render(parse_mime(mime), generation)) for generation in GENERATIONS]
    assert len(set(rendered)) == len(GENERATIONS)
    headers = [sorted(parse_headers(one)[0][:-1]) for one in rendered]
    assert all(sorted(name for name, _ in one) for one in headers)
    longs = {dict(parse_headers(one)[0])["X-Long"] for one in rendered}
    assert longs == {"word " * 60 + "end"}


@given(st.text(alphabet='ab \t;,="', max_size=400), st.sampled_from(GENERATIONS))
def test_folding_gives_every_value_back(value: str, generation: tuple[int, int]) -> None:
    content = Content(Part([("X-V", value.strip(" \t"))], "text/plain", "", b""))
    assert parse_headers(render(content, generation))[0] == [("X-V", value.strip(" \t"))]


def test_the_date_of_a_draft_is_replaced() -> None:
    content = parse_mime(b"Date: Mon, 1 Jan 2001 00:00:00 +0000\r\nSubject: s\r\n\r\n")
    rendered = render(content, (15, 0), "Tue, 2 Jan 2001 00:00:00 -0000")
    assert rendered.count(b"Date:") == 1
    assert b"2 Jan 2001" in rendered
