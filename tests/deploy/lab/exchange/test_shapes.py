import pytest
from lxml import etree

from deploy.lab.exchange.shapes import compiled, refuse_content
from deploy.lab.exchange.soap import EwsError, SoapFaultError

T = "http://schemas.microsoft.com/exchange/services/2006/types"


def shape(inner: str) -> etree._Element:
    return etree.fromstring(f'<ItemShape xmlns="{T}"><BaseShape>IdOnly</BaseShape>{inner}</ItemShape>')


def fields(*uris: str) -> etree._Element:
    inner = "".join(f'<FieldURI FieldURI="{uri}"/>' for uri in uris)
    return shape(f"<AdditionalProperties>{inner}</AdditionalProperties>")


def test_the_same_shape_is_compiled_once_and_another_version_apart() -> None:
    first = compiled(fields("item:Subject"), (15, 0))
    assert compiled(fields("item:Subject"), (15, 0)) is first
    assert compiled(fields("item:Subject"), (14, 1)) is not first
    assert compiled(fields("item:Subject"), (15, 0), listing=True) is not first


def test_mime_is_read_only_where_it_is_asked_for() -> None:
    assert compiled(shape("<IncludeMimeContent>true</IncludeMimeContent>"), (15, 0)).reads_mime
    assert not compiled(fields("item:Subject"), (15, 0)).reads_mime


def test_lists_refuse_content() -> None:
    refuse_content(None)
    refuse_content(fields("item:Subject"))
    for uri in ("item:Body", "item:MimeContent", "item:Attachments"):
        with pytest.raises(EwsError, match="ErrorInvalidPropertyRequest"):
            refuse_content(fields(uri))


def test_paths_that_name_nothing_are_refused() -> None:
    with pytest.raises(SoapFaultError):
        compiled(fields("item:Nonsense"), (15, 0))
    with pytest.raises(SoapFaultError):
        compiled(
            shape('<AdditionalProperties><IndexedFieldURI FieldURI="x:y" FieldIndex="1"/></AdditionalProperties>'),
            (15, 0),
        )
