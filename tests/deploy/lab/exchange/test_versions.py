import pytest
from lxml import etree

from deploy.lab.exchange.soap import SoapFaultError
from deploy.lab.exchange.versions import VERSIONS, effective, refuse_newer


def test_versions_are_the_four_generations() -> None:
    assert {name: version.generation for name, version in VERSIONS.items()} == {
        "2010_SP1": (14, 1), "2013": (15, 0), "2016": (15, 1), "2019": (15, 2),
    }  # fmt: skip


def test_a_request_is_served_as_the_older_of_both() -> None:
    assert effective(VERSIONS["2019"], "Exchange2010_SP1") == (14, 1)
    assert effective(VERSIONS["2019"], "V2016_10_10") == (15, 1)
    assert effective(VERSIONS["2013"], None) == (15, 0)


@pytest.mark.parametrize("requested", ["Exchange2013", "Exchange2010_SP2", "", "x"])
def test_a_newer_or_unknown_request_is_refused(requested: str) -> None:
    with pytest.raises(SoapFaultError, match="ErrorInvalidServerVersion"):
        effective(VERSIONS["2010_SP1"], requested)


@pytest.mark.parametrize(
    "xml",
    [
        "<a><Flag/></a>",
        '<a><FieldURI FieldURI="item:Flag"/></a>',
        '<a SuppressReadReceipts="true"/>',
        '<a><FieldURI FieldURI="folder:DistinguishedFolderId"/></a>',
    ],
)
def test_newer_elements_attributes_and_fields_are_refused_on_2010_only(xml: str) -> None:
    node = etree.fromstring(xml)
    refuse_newer(xml.encode(), node, (15, 0))
    with pytest.raises(SoapFaultError, match="ErrorSchemaValidation"):
        refuse_newer(xml.encode(), node, (14, 1))


@pytest.mark.parametrize("xml", ["<a>A Flag /</a>", '<a><DistinguishedFolderId Id="inbox"/></a>', "<a>item:Flag</a>"])
def test_older_elements_and_texts_that_look_newer_pass(xml: str) -> None:
    refuse_newer(xml.encode(), etree.fromstring(xml), (14, 1))
