import os

from deploy import exit_codes

CODES = {name: value for name, value in vars(exit_codes).items() if name.isupper()}
SYSEXITS = {"SETTINGS": "EX_CONFIG", "INTERNAL": "EX_SOFTWARE", "DISK": "EX_CANTCREAT", "NOT_ALLOWED": "EX_NOPERM"}


def test_every_name_has_a_code_of_its_own_that_a_shell_can_tell() -> None:
    assert len(set(CODES.values())) == len(CODES)
    assert all(0 <= code < 126 or code == 128 + 2 for code in CODES.values())


def test_codes_agree_with_sysexits_where_one_fits() -> None:
    assert {name: CODES[name] for name in SYSEXITS} == {name: getattr(os, known) for name, known in SYSEXITS.items()}
