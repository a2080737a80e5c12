"""The headers of commands: how long a caller waits, and which trace it carries."""

import pytest
from starlette.datastructures import Headers

from services.gateway.http.preferences import parse_wait
from services.gateway.trace import parse_trace

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], 5),
        (["wait=0"], 0),
        (["wait=30"], 30),
        (["wait=31"], 30),
        (["wait=" + "9" * 9000], 30),
        (["wait=0007"], 7),
        (["Wait = 7"], 7),
        (['wait="7"'], 7),
        (["wait=7; foo=bar"], 7),
        (["return=minimal, wait=7"], 7),
        (["return=minimal", "wait=7"], 7),
        (["wait=7", "wait=8"], 7),
        (["wait=x, wait=8"], 8),
        *(
            ([text], 5)
            for text in ("", "wait", "wait=", "wait=-1", "wait=1.5", "wait=1e1", "wait=\u0663", 'wait="7')
        ),
        (["respond-async"], 0),
        (["Respond-Async"], 0),
        (["wait=9, respond-async"], 0),
        (["handling=lenient", "respond-async; x=1"], 0),
        (["respond-asynchronously"], 5),
        (['"' * 60_000], 5),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_preference_is_understood_or_ignored(headers: list[str], seconds: int) -> None:
    assert parse_wait(headers) == seconds


def headers_of(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.encode(), value.encode()) for name, value in pairs])


@pytest.mark.parametrize("state", ["a=1", "a=1,b=2", "a=1, b@c=x y,,", "0a/b=" + "v" * 256])
def test_a_valid_trace_is_carried(state: str) -> None:
    found = parse_trace(headers_of(("traceparent", PARENT), ("tracestate", state)))
    assert found == {"traceparent": PARENT, "tracestate": state}


def test_states_in_several_headers_are_one_list() -> None:
    found = parse_trace(headers_of(("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")))
    assert found["tracestate"] == "a=1,b=2"


@pytest.mark.parametrize(
    "state",
    [
        "",
        "a",
        "=1",
        "A=1",
        "a=1,a=2",
        "a=é",
        "a=b=c",
        "a=" + "v" * 600,
        ",".join(f"a{n}=1" for n in range(33)),
    ],
)
def test_an_invalid_state_is_dropped_alone(state: str) -> None:
    found = parse_trace(headers_of(("traceparent", PARENT), ("tracestate", state)))
    assert found == {"traceparent": PARENT}


@pytest.mark.parametrize(
    "parent",
    [
        *("", "x", PARENT.upper(), PARENT[:-1], PARENT + "-more", PARENT.replace("00-", "ff-", 1)),
        *(f"00-{'0' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01", PARENT + "\n"),
        "01" + PARENT[2:] + "-" + "x" * 600,
    ],
)
def test_an_invalid_trace_is_dropped(parent: str) -> None:
    assert parse_trace(headers_of(("traceparent", parent), ("tracestate", "a=1"))) == {}


def test_a_later_version_may_have_more_fields() -> None:
    parent = "01" + PARENT[2:] + "-more"
    assert parse_trace(headers_of(("traceparent", parent))) == {"traceparent": parent}


def test_two_traces_are_none() -> None:
    assert parse_trace(headers_of(("traceparent", PARENT), ("traceparent", PARENT))) == {}
