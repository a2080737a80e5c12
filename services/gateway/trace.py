"""The trace that a request carries (W3C Trace Context), for the records that are written on its behalf."""

import re
from collections.abc import Mapping
from contextvars import ContextVar

from starlette.datastructures import Headers

# What the services carry on.
_MAX_LENGTH = 512
_MAX_STATE_MEMBERS = 32

_match_parent = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(?P<more>-[!-~]*)?"
).fullmatch
_match_member = re.compile(
    r"[a-z0-9][a-z0-9_*/-]{0,255}(@[a-z][a-z0-9_*/-]{0,13})?=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
).fullmatch

_current: ContextVar[Mapping[str, str] | None] = ContextVar("trace", default=None)


def current_trace() -> Mapping[str, str]:
    """Return the attributes of the request that is being served; none if it carries no valid trace."""
    return _current.get() or {}


def carry_trace(headers: Headers) -> None:
    """Make the request's trace, as far as it is valid, the current one."""
    _current.set(parse_trace(headers))


def parse_trace(headers: Headers) -> dict[str, str]:
    """Return `traceparent`, and `tracestate` with it, where they are valid."""
    parents = headers.getlist("traceparent")
    if len(parents) != 1 or not _is_valid_parent(parents[0]):
        return {}
    state = ",".join(headers.getlist("tracestate"))
    return {"traceparent": parents[0], **({"tracestate": state} if _is_valid_state(state) else {})}


def _is_valid_parent(text: str) -> bool:
    found = _match_parent(text)
    if found is None or len(text) > _MAX_LENGTH:
        return False
    # Later versions may have more fields.
    return found["version"] != "00" or found["more"] is None


def _is_valid_state(text: str) -> bool:
    members = [member.strip(" \t") for member in text.split(",") if member.strip(" \t")]
    keys = {member.partition("=")[0] for member in members}
    return (
        0 < len(members) <= _MAX_STATE_MEMBERS
        and len(text) <= _MAX_LENGTH
        and len(keys) == len(members)
        and all(map(_match_member, members))
    )
