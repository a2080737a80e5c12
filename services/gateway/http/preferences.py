"""The header `Prefer` (RFC 7240): how long a caller waits for a command's outcome."""

import re
from collections.abc import Iterable

DEFAULT_WAIT = 5
MAX_WAIT = 30

_match_wait = re.compile(r'wait\s*=\s*("?)(?P<seconds>[0-9]+)\1', re.ASCII | re.IGNORECASE).fullmatch


def parse_wait(headers: Iterable[str]) -> int:
    """Return the seconds that the caller waits for an outcome; 0 with `respond-async`.

    What is not understood is ignored, and so is a second `wait`.
    """
    preferences = [part.partition(";")[0].strip() for header in headers for part in header.split(",")]
    if any(preference.lower() == "respond-async" for preference in preferences):
        return 0
    for preference in preferences:
        found = _match_wait(preference)
        if found is not None:
            return _limit(found["seconds"].lstrip("0"))
    return DEFAULT_WAIT


def _limit(digits: str) -> int:
    # Python refuses to read thousands of digits.
    return MAX_WAIT if len(digits) > len(str(MAX_WAIT)) else min(int(digits or "0"), MAX_WAIT)
