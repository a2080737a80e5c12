"""The trace that a request carries (W3C Trace Context), for the records that are written on its behalf."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

from fastapi import Request
from starlette.datastructures import Headers

from cohost_schemas.envelope import Correlation
from cohost_schemas.topics import Topic
from messaging.tracing.context import MAX_TRACE_LENGTH, is_valid_parent, trace_id_of
from messaging.tracing.tracer import Tracer, trace_sending

_MAX_STATE_MEMBERS = 32

_match_member = re.compile(
    r"[a-z0-9][a-z0-9_*/-]{0,255}(@[a-z][a-z0-9_*/-]{0,13})?=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
).fullmatch

_current: ContextVar[Mapping[str, str] | None] = ContextVar("trace", default=None)


def current_trace() -> Mapping[str, str]:
    """Return the attributes of the request that is being served; none if it carries no valid trace."""
    return _current.get() or {}


def carry_trace(request: Request) -> None:
    """Make the request's trace, as far as it is valid, the current one: its own span if it has one."""
    trace = parse_trace(request.headers)
    span = request.app.state.traces.current_parent()
    if trace and trace_id_of(span) == trace_id_of(trace["traceparent"]):
        trace["traceparent"] = span
    _current.set(trace)


class PublicationTracer:
    """Traces the publication of records for requests that are sampled; without a tracer, of none."""

    def __init__(self, tracer: Tracer | None = None, prefix: str = "") -> None:
        self._tracer = tracer
        self._prefix = prefix

    @contextlib.contextmanager
    def trace_publication(self, topic: Topic, message_id: str | None = None) -> Iterator[None]:
        """Trace a publication during the block, whose record carries the span on."""
        trace = current_trace()
        if self._tracer is None or not trace:
            yield
            return
        correlation = Correlation(message_id or "", **trace)
        name = topic.full_name(self._prefix)
        with trace_sending(self._tracer, name, message_id, correlation) as carried:
            if carried is correlation or carried is None or carried.traceparent is None:
                yield
                return
            token = _current.set({**trace, "traceparent": carried.traceparent})
            try:
                yield
            finally:
                _current.reset(token)


def parse_trace(headers: Headers) -> dict[str, str]:
    """Return `traceparent`, and `tracestate` with it, where they are valid."""
    parents = headers.getlist("traceparent")
    if len(parents) != 1 or not is_valid_parent(parents[0]):
        return {}
    state = ",".join(headers.getlist("tracestate"))
    return {"traceparent": parents[0], **({"tracestate": state} if _is_valid_state(state) else {})}


def _is_valid_state(text: str) -> bool:
    members = [member.strip(" \t") for member in text.split(",") if member.strip(" \t")]
    keys = {member.partition("=")[0] for member in members}
    return (
        0 < len(members) <= _MAX_STATE_MEMBERS
        and len(text) <= MAX_TRACE_LENGTH
        and len(keys) == len(members)
        and all(map(_match_member, members))
    )
