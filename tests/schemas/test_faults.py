"""Every fault has one disposition, by who must act."""

from pathlib import Path

import pytest
from lxml import etree

from schemas.faults import (
    CURSOR_LOST,
    DISPOSITIONS,
    GONE,
    OUTCOME_UNKNOWN,
    OUTLOOKS,
    STALE,
    SUBSCRIPTION_LOST,
    Disposition,
    Outlook,
    ReplicationFault,
    TransportFault,
    disposition_of,
    fault_of_status,
    is_final,
)

XSD = "{http://www.w3.org/2001/XMLSchema}"

IMPORTANT = {
    "ErrorInternalServerTransientError": Disposition.RETRY,
    "ErrorInternalServerError": Disposition.RETRY,
    "ErrorMailboxStoreUnavailable": Disposition.RETRY,
    "ErrorMailboxFailover": Disposition.RETRY,
    "ErrorTimeoutExpired": Disposition.RETRY,
    "ErrorConnectionFailed": Disposition.RETRY,
    "ErrorBatchProcessingStopped": Disposition.RETRY,
    "ErrorServerBusy": Disposition.THROTTLE,
    "ErrorExceededConnectionCount": Disposition.THROTTLE,
    "ErrorInsufficientResources": Disposition.THROTTLE,
    "ErrorQuotaExceeded": Disposition.PAUSE,
    "ErrorAccessDenied": Disposition.PAUSE,
    "ErrorMailboxMoveInProgress": Disposition.PAUSE,
    "ErrorNonExistentMailbox": Disposition.PAUSE,
    "ErrorImpersonateUserDenied": Disposition.PAUSE,
    "ErrorFolderCorrupt": Disposition.PAUSE,
    "ErrorInvalidId": Disposition.PAUSE,
    "ErrorCorruptData": Disposition.PARK,
    "ErrorMessageSizeExceeded": Disposition.PARK,
    "ErrorInvalidPropertySet": Disposition.PARK,
    "ErrorMimeContentInvalid": Disposition.PARK,
    "ErrorCannotCreateContactInNonContactFolder": Disposition.PARK,
    "ErrorCalendarInvalidRecurrence": Disposition.PARK,
    "ErrorVirusDetected": Disposition.PARK,
    "ErrorInvalidRequest": Disposition.HALT,
    "ErrorSchemaValidation": Disposition.HALT,
    "ErrorInvalidServerVersion": Disposition.HALT,
    "ErrorPasswordExpired": Disposition.HALT,
    "ErrorSendAsDenied": Disposition.HALT,
}


def codes_of_schema(shared: Path) -> set[str]:
    tree = etree.parse(str(shared / "schema" / "messages.xsd"))
    path = f".//{XSD}simpleType[@name='ResponseCodeType']//{XSD}enumeration"
    return {str(element.get("value")) for element in tree.iterfind(path)}


def test_the_table_holds_every_code_of_the_schema_and_no_other(shared: Path) -> None:
    assert set(DISPOSITIONS) - set(TransportFault) - set(ReplicationFault) == codes_of_schema(shared) - {"NoError"}


def test_every_transport_fault_has_a_disposition() -> None:
    assert set(TransportFault) <= set(DISPOSITIONS)


@pytest.mark.parametrize(("code", "expected"), IMPORTANT.items())
def test_a_code_is_for_whoever_can_act_on_it(code: str, expected: Disposition) -> None:
    assert disposition_of(code) is expected


@pytest.mark.parametrize("code", ["ErrorOfATimeToCome", "", "errorserverbusy", "NoError"])
def test_what_is_unknown_halts(code: str) -> None:
    assert disposition_of(code) is Disposition.HALT


def test_what_asks_for_a_second_look_is_retried_and_asks_for_one_thing_only() -> None:
    looks = (GONE, STALE, CURSOR_LOST, SUBSCRIPTION_LOST)
    assert all(looks)
    assert {disposition_of(code) for codes in looks for code in codes} == {Disposition.RETRY}
    assert len(frozenset[str]().union(*looks)) == sum(map(len, looks))


def test_the_loser_of_a_race_looks_again() -> None:
    assert {"ErrorItemNotFound", "ErrorMoveCopyFailed"} <= GONE
    assert {"ErrorStaleObject", "ErrorIrresolvableConflict"} <= STALE


@pytest.mark.parametrize(
    ("status", "fault", "disposition"),
    [
        (302, TransportFault.HTTP_REDIRECTED, Disposition.HALT),
        (400, TransportFault.HTTP_BAD_REQUEST, Disposition.HALT),
        (401, TransportFault.HTTP_UNAUTHORIZED, Disposition.HALT),
        (403, TransportFault.HTTP_FORBIDDEN, Disposition.HALT),
        (404, TransportFault.HTTP_BAD_REQUEST, Disposition.HALT),
        (408, TransportFault.HTTP_REQUEST_TIMED_OUT, Disposition.RETRY),
        (413, TransportFault.HTTP_TOO_LARGE, Disposition.PARK),
        (429, TransportFault.HTTP_TOO_MANY, Disposition.THROTTLE),
        (456, TransportFault.HTTP_UNAUTHORIZED, Disposition.HALT),
        (500, TransportFault.HTTP_SERVER_FAILED, Disposition.RETRY),
        (502, TransportFault.HTTP_SERVER_FAILED, Disposition.RETRY),
        (503, TransportFault.HTTP_UNAVAILABLE, Disposition.THROTTLE),
        (504, TransportFault.HTTP_SERVER_FAILED, Disposition.RETRY),
    ],
)
def test_an_http_status_has_a_fault(status: int, fault: TransportFault, disposition: Disposition) -> None:
    assert fault_of_status(status) is fault
    assert disposition_of(fault) is disposition


def test_a_success_is_no_fault() -> None:
    with pytest.raises(ValueError, match="200 is not a fault"):
        fault_of_status(200)


def test_a_write_that_was_never_sent_has_a_known_outcome() -> None:
    assert TransportFault.CONNECTION_REFUSED not in OUTCOME_UNKNOWN
    assert {TransportFault.RESET, TransportFault.TIMED_OUT, TransportFault.SHORT_ANSWER} <= OUTCOME_UNKNOWN


def test_every_fault_is_final_or_passing_and_only_what_is_the_items_own_is_final() -> None:
    assert OUTLOOKS.keys() == DISPOSITIONS.keys()
    final = {code for code, outlook in OUTLOOKS.items() if outlook is Outlook.FINAL}
    assert {DISPOSITIONS[code] for code in final} == {Disposition.PARK}
    assert {ReplicationFault.NO_PORTABLE_FORM, ReplicationFault.NO_MIME, "ErrorMessageSizeExceeded"} <= final


@pytest.mark.parametrize("code", ["ErrorCorruptData", ReplicationFault.REFUSED_ALONE, "ErrorInvalidRequest", "Unheard"])
def test_what_may_heal_by_itself_or_is_unknown_is_not_final(code: str) -> None:
    assert not is_final(code)
