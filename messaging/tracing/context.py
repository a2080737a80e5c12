"""W3C Trace Context: what a `traceparent` says."""

import re

MAX_TRACE_LENGTH = 512
"""The longest `traceparent`, and the longest `tracestate`, that the services carry on."""

_match_parent = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}"
    r"-[0-9a-f](?P<flags>[0-9a-f])(?P<more>-[!-~]*)?"
).fullmatch
_LENGTH = 55
_SAMPLED_DIGITS = frozenset("13579bdf")


def is_valid_parent(traceparent: str) -> bool:
    """Return whether this is a `traceparent`."""
    return _parse_parent(traceparent) is not None


def is_sampled(traceparent: str | None) -> bool:
    """Return whether this is a `traceparent` whose trace is recorded (flag 01)."""
    if traceparent is None or (len(traceparent) == _LENGTH and traceparent[-1] not in _SAMPLED_DIGITS):
        # Most of them; a longer one has its flags in the middle.
        return False
    found = _parse_parent(traceparent)
    return found is not None and found["flags"] in _SAMPLED_DIGITS


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace's id, None if there is no valid `traceparent`."""
    found = _parse_parent(traceparent) if traceparent is not None else None
    return found["trace"] if found is not None else None


def _parse_parent(text: str) -> re.Match[str] | None:
    found = _match_parent(text)
    # Later versions may have more fields.
    if found is None or len(text) > MAX_TRACE_LENGTH or (found["version"] == "00" and found["more"]):
        return None
    return found
