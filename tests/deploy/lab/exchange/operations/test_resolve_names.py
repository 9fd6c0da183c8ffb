from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a@example.com", "NoError"),
        ("nobody", "ErrorNameResolutionNoResults"),
        ("example.com", "ErrorNameResolutionMultipleResults"),
    ],
)
def test_none_one_and_several_are_told_apart(exchange: Any, text: str, code: str) -> None:
    request = (
        f'<m:ResolveNames ReturnFullContactData="false"><m:UnresolvedEntry>{text}</m:UnresolvedEntry></m:ResolveNames>'
    )
    assert exchange.codes(request) == [code]
