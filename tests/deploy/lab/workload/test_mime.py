import email

from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.workload.mime import header_text, leaf, message, multipart


@given(st.binary(max_size=300), st.sampled_from(["base64", "quoted-printable"]))
def test_an_encoded_leaf_decodes_to_its_bytes(data: bytes, encoding: str) -> None:
    content = data.replace(b"\r", b"").replace(b"\n", b"\r\n")
    part = leaf("application/octet-stream", content, encoding=encoding, file_name="a.bin")
    found = email.message_from_bytes(message([("Subject", "x")], multipart("mixed", [part], "b")))
    inner = next(p for p in found.walk() if not p.is_multipart())
    payload = inner.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.rstrip(b"\r\n") == content.rstrip(b"\r\n")


def test_a_header_is_ascii_and_decodes_to_its_text() -> None:
    written = header_text("Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n")
    assert written.isascii()
    assert written.startswith("=?utf-8?")
