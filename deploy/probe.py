"""What a container's health check runs: asks MAILSHADOW_PROBE, by default the feed's /healthz; 0 if all is well.

It imports nothing of the project, so that it costs a few hundredths of a second. The certificate of [metrics] is not
checked: the answer comes from the same container.
"""

import os
import ssl
import sys
import urllib.error
import urllib.request

DEFAULT = "http://127.0.0.1:9477/healthz"
TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Ask once; return 0 for an answer of 200, otherwise 1 and say why."""
    url = os.environ.get("MAILSHADOW_PROBE", DEFAULT)
    context = ssl._create_unverified_context() if url.startswith("https:") else None  # noqa: S323, SLF001 - see above
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS, context=context):  # noqa: S310 - the operator's own
            return 0
    except (OSError, ValueError) as error:
        print(f"{url}: {error}", file=sys.stderr)  # noqa: T201 - what the container engine shows
        return 1


if __name__ == "__main__":
    sys.exit(main())
