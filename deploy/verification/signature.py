"""Signs reports: HMAC-SHA256 over the report's canonical JSON, by a key that stays with the operator."""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

ALGORITHM = "HMAC-SHA256"
KEY_BYTES = 32


class SignatureError(Exception):
    """A key or a report can't be used; the text says which and what to do."""


def read_or_make_key(path: Path) -> bytes:
    """Return the key in a file, made with 32 random bytes on first use, readable by its owner only."""
    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes().strip()
        else:
            key = secrets.token_hex(KEY_BYTES).encode()
            with os.fdopen(handle, "wb") as file:
                file.write(key + b"\n")
    except OSError as error:
        raise SignatureError(f"{path}: the key can't be read or made: {error.strerror}; see --key") from error
    if len(key) < KEY_BYTES:
        raise SignatureError(f"{path}: a key of at least {KEY_BYTES} bytes is needed; remove the file to make one")
    return key


def signed(report: dict[str, Any], key: bytes) -> dict[str, Any]:
    """Return the report with its signature."""
    return report | {
        "signature": {"algorithm": ALGORITHM, "key_id": key_id(key), "value": _value(report, key)},
    }


def key_id(key: bytes) -> str:
    """Return by what a key is known without telling it."""
    return hashlib.sha256(b"mailshadow report key" + key).hexdigest()[:16]


def is_genuine(report: Any, key: bytes) -> bool:
    """Tell whether a report is as it was signed by this key; SignatureError if it bears no signature."""
    found = report.get("signature") if isinstance(report, dict) else None
    if not isinstance(found, dict) or found.get("algorithm") != ALGORITHM or not isinstance(found.get("value"), str):
        raise SignatureError(f"the file is no report signed with {ALGORITHM}")
    bare = {k: v for k, v in report.items() if k != "signature"}
    return hmac.compare_digest(_value(bare, key).encode(), found["value"].encode())


def _value(report: dict[str, Any], key: bytes) -> str:
    written = json.dumps(report, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(key, written.encode(), hashlib.sha256).hexdigest()
