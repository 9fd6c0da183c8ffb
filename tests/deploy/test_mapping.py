from dataclasses import dataclass

import pytest

from deploy.mapping import addresses_of, shared_address


@dataclass(frozen=True, slots=True)
class Rule:
    mailboxes: tuple[str, ...] = ()
    domain: str = ""


@pytest.mark.parametrize(
    ("rule", "address"),
    [
        (Rule(("*@a.test",), "b.test"), "Anna.B@b.test"),
        (Rule(("*@a.test",)), "Anna.B@A.test"),
        (Rule(("anna.*@*",), "b.test"), "Anna.B@b.test"),
        (Rule(("*@b.test",), "b.test"), None),
        (Rule((), "b.test"), None),
    ],
)
def test_a_rule_maps_what_its_patterns_match_to_its_domain(rule: Rule, address: str | None) -> None:
    expected = {"standby": address} if address else {}
    assert addresses_of("Anna.B@A.test", {}, {"standby": rule}) == expected
    given = {"standby": "given@c.test", "other": "given@d.test"}
    assert addresses_of("Anna.B@A.test", given, {"standby": rule}) == given


def test_an_address_that_two_sources_share_at_a_target_is_found_whatever_its_case() -> None:
    one, other = ("a@x.test", {"t": "m@y.test"}), ("b@x.test", {"t": "M@y.test"})
    assert shared_address([one, other]) == ("t", "M@y.test", "a@x.test", "b@x.test")
    assert shared_address([one, ("b@x.test", {"u": "m@y.test"})]) is None
    assert shared_address([one, ("A@x.test", {"t": "m@y.test"})]) is None
