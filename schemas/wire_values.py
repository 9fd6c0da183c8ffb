"""Numbers, dates, sizes and bytes as a server writes them: one total function for each. Pure.

A server may write anything, so none of these raises: what can't be read is the default, or None where the caller has
to know. Numbers stay within what a record of the log can hold.
"""

import base64
import binascii
import email.utils
import re
from datetime import datetime

NUMBER_MAX = 2**63 - 1
"""The largest number of an Avro long."""
WAIT_SECONDS_MAX = 600.0
"""The longest back-off that is believed; a server that wants more says so again."""
_WHOLE = re.compile(r"\s*([+-]?[0-9]{1,19})\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{0,9})?)\s*", re.ASCII)
_TAG = re.compile(r"\s*(?:0[xX])?([0-9a-fA-F]{1,8})\s*", re.ASCII)
_VERSION = re.compile(r"\s*([0-9]{1,9})\.([0-9]{1,9})(?:\..*)?", re.ASCII | re.DOTALL)
_SPACES = re.compile(r"[ \t\r\n]+")


def whole_number(written: str, default: int = 0) -> int:
    """Return a whole number (xs:int, xs:long); the default for anything else."""
    match = _WHOLE.fullmatch(written)
    return max(-NUMBER_MAX, min(int(match.group(1)), NUMBER_MAX)) if match else default


def count(written: str) -> int:
    """Return a number of things or bytes; 0 for anything that is none."""
    return max(0, whole_number(written))


def boolean(written: str, *, default: bool = False) -> bool:
    """Return an xs:boolean, which may be written in words or digits; the default for anything else."""
    return {"true": True, "1": True, "false": False, "0": False}.get(written.strip().lower(), default)


def moment_seconds(written: str) -> float | None:
    """Return an xs:dateTime as seconds since 1970; None for what is no time."""
    try:
        return datetime.fromisoformat(written.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def http_date_seconds(written: str) -> int:
    """Return an HTTP date (RFC 9110 §5.6.7) as seconds since 1970; 0 for what is no time."""
    try:
        return int(email.utils.parsedate_to_datetime(written).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return 0


def seconds(written: str, default: float) -> float:
    """Return a span in seconds, at most `WAIT_SECONDS_MAX`; the default for anything else."""
    match = _DECIMAL.fullmatch(written)
    return min(float(match.group(1)), WAIT_SECONDS_MAX) if match else default


def milliseconds(written: str, default_seconds: float) -> float:
    """Return a span given in milliseconds, in seconds, at most `WAIT_SECONDS_MAX`; the default for anything else."""
    match = _DECIMAL.fullmatch(written)
    return min(float(match.group(1)) / 1000, WAIT_SECONDS_MAX) if match else default_seconds


def retry_after_seconds(written: str, now_seconds: int, default: float) -> float:
    """Return a Retry-After (RFC 9110 §10.2.3), a span or a date by the server's clock; the default for neither."""
    at = http_date_seconds(written)
    if at and now_seconds:
        return min(max(0.0, float(at - now_seconds)), WAIT_SECONDS_MAX)
    return seconds(written, default)


def version(written: str) -> tuple[int, int]:
    """Return the first two numbers of a server's version; zeros for what is none."""
    match = _VERSION.fullmatch(written)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def property_tag(written: str) -> str:
    """Return a MAPI tag as `0x0e07`, whatever its case and padding; what is no tag stays as it is."""
    match = _TAG.fullmatch(written)
    return f"0x{int(match.group(1), 16):04x}" if match else written


def base64_bytes(written: str) -> bytes | None:
    """Return what base64 stands for; None where it is not whole or holds anything else."""
    try:
        return base64.b64decode(_SPACES.sub("", written), validate=True)
    except (binascii.Error, ValueError):
        return None
