"""The Maildir format: flags in file names, and Maildir++'s folders."""

import base64
import re
from pathlib import Path

MAILDIR_PARTS = ("cur", "new")
FLAGS = re.compile(r"[:;!]2,([A-Za-z]*)$")  # a colon, or what systems use that forbid it in names
SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


def is_maildir(path: Path) -> bool:
    """Tell whether a directory is a Maildir: it has both of the parts that hold mail."""
    try:
        return all((path / part).is_dir() for part in MAILDIR_PARTS)
    except OSError:
        return False


def maildir_flags(name: str) -> frozenset[str]:
    """Return a message's flags from its file's name: D draft, F flagged, S seen, T trashed."""
    found = FLAGS.search(name)
    return frozenset(found[1].upper()) if found else frozenset()


def decode_folder_name(name: str) -> str:
    """Decode a Maildir++ folder's name, in IMAP's modified UTF-7 (RFC 3501 §5.1.3); damage stays as it is."""

    def decode(shifted: re.Match[str]) -> str:
        text = shifted[1]
        if not text:
            return "&"
        try:
            padded = text.replace(",", "/") + "=" * (-len(text) % 4)
            return base64.b64decode(padded, validate=True).decode("utf-16-be")
        except ValueError:
            return shifted[0]

    return SHIFTED.sub(decode, name)
