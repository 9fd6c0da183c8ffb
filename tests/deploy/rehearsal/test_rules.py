"""What `[rehearsal]` must hold, which scratch mailbox stands for which, and which names are rehearsals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.rehearsal.rules import first_taken, is_rehearsal_of, rehearsal_name, scratch_address
from deploy.sections import RehearsalSection, SettingsError
from deploy.settings import load

if TYPE_CHECKING:
    from tests.deploy.conftest import Configuration

URL = "https://scratch.test/EWS/Exchange.asmx"


def section(**values: object) -> RehearsalSection:
    return RehearsalSection(url=URL, user="u", password="p", **values)  # type: ignore[arg-type] # names of the section


def test_a_rehearsal_is_known_by_its_name_and_only_its_own_pipelines() -> None:
    name = rehearsal_name("lab", "0123abcd")
    assert is_rehearsal_of("lab", name)
    for pipeline, other in (("la", name), ("lab-rehearsal", name), ("lab", "lab"), ("lab", f"{name}0"), ("lab", "x")):
        assert not is_rehearsal_of(pipeline, other)
    assert not is_rehearsal_of("lab", "lab-rehearsal-0123ABCD")


@pytest.mark.parametrize(
    ("values", "source", "scratch"),
    [
        ({}, "Anna@source.test", "Anna-rehearsal@source.test"),
        ({"address": "{local}@scratch.test"}, "anna@source.test", "anna@scratch.test"),
        ({"address": "r-{local}-{domain}@scratch.test"}, "a@b.test", "r-a-b.test@scratch.test"),
        ({"addresses": {"Anna@b.test": "one@scratch.test"}}, "anna@B.test", "one@scratch.test"),
    ],
)
def test_a_scratch_address_is_said_one_by_one_or_made_by_the_pattern(
    values: dict[str, object], source: str, scratch: str
) -> None:
    assert scratch_address(section(**values), source) == scratch


@pytest.mark.parametrize(
    ("url", "address", "is_taken"),
    [
        (URL, "anna@scratch.test", True),
        ("https://SCRATCH.test:443/other", "Anna@Scratch.test", True),
        ("https://scratch.test:8443/EWS", "anna@scratch.test", False),
        ("https://target.test/EWS", "anna@scratch.test", False),
        (URL, "other@scratch.test", False),
    ],
)
def test_a_mailbox_of_the_pipeline_is_never_scratch_whatever_the_case_of_its_address(
    url: str,
    address: str,
    is_taken: bool,  # noqa: FBT001 - pytest's
) -> None:
    wrong = first_taken(section(), {"anna@source.test": "anna@scratch.test"}, {url: [address]})
    assert ("a mailbox of the pipeline itself" in wrong) is is_taken


def test_one_scratch_mailbox_does_not_stand_for_two() -> None:
    wrong = first_taken(section(), {"a@x.test": "one@s.test", "b@x.test": "ONE@s.test"}, {})
    assert wrong.startswith("ONE@s.test: stands for a@x.test and for b@x.test")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"address": "scratch@source.test"}, "rehearsal.address: must be such as"),
        ({"address": "{local}"}, "rehearsal.address: must be such as"),
        ({"address": "{local}@{server}"}, "rehearsal.address: {server} is not known"),
        ({"name": "standby"}, "rehearsal.name: standby is a server of the pipeline"),
        ({"version": "2010_SP1"}, "rehearsal.version: 2010_SP1 can't be written to"),
        ({"version": "2018"}, "rehearsal.version: must be one of"),
        ({"url": "scratch.test"}, "rehearsal.url: must be an http or https address"),
        ({"password": ""}, "rehearsal: give exactly one of password"),
        ({"addresses": {"anna@source.test": "nobody"}}, "rehearsal.addresses.anna@source.test: 'nobody' is no SMTP"),
        ({"adress": "x"}, "rehearsal.adress: unknown setting; did you mean address?"),
    ],
)
def test_a_wrong_setting_is_named_by_its_path(
    configuration: Configuration, values: dict[str, object], words: str
) -> None:
    configuration.write()
    given = {"url": URL, "user": "u", "password": "p"} | values
    tables = {k: v for k, v in given.items() if isinstance(v, dict)}
    text = "".join(f"{k} = {str(v)!r}\n".replace("'", '"') for k, v in given.items() if k not in tables)
    text += "".join(f'{k} = {{ "{a}" = "{b}" }}\n' for k, v in tables.items() for a, b in v.items())
    configuration.path.write_text(f"{configuration.path.read_text()}\n[rehearsal]\n{text}")
    with pytest.raises(SettingsError) as found:
        load(configuration.path, {})
    assert words in str(found.value)


def test_a_pipeline_does_not_bear_the_name_of_a_rehearsal(configuration: Configuration) -> None:
    configuration.write()
    with pytest.raises(SettingsError, match=r"pipeline\.name: -rehearsal- stands in the names of rehearsals"):
        load(configuration.path, {"MAILSHADOW_PIPELINE__NAME": "lab-rehearsal-0123abcd"})
