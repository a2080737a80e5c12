"""Cursors decode to their values; forged ones are invalid requests."""

import base64
import json
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohost_schemas import timestamps
from cohost_schemas.types import ID_PATTERN, Id
from services.runtime.http import pagination
from services.runtime.http.problems import HttpProblem


class CursorValues(NamedTuple):
    sent_at: pagination.CalendarTimestamp
    invitation_id: Id
    number: pagination.BigInt


PLACE = CursorValues("2026-01-01T12:00:00.000Z", "i-1", 7)


def assert_refused(cursor: str) -> bool:
    try:
        pagination.decode_cursor(cursor, CursorValues)
    except HttpProblem as problem:
        return (problem.status, problem.reason) == (422, "invalid_request")
    return False


@given(
    milliseconds=st.integers(0, 253_402_300_799_999),
    identifier=st.from_regex(ID_PATTERN, fullmatch=True),
    number=st.integers(0, 2**63 - 1),
)
def test_a_cursor_decodes_to_its_values(milliseconds: int, identifier: str, number: int) -> None:
    place = CursorValues(timestamps.from_ms(milliseconds), identifier, number)
    assert pagination.decode_cursor(pagination.encode_cursor(*place), CursorValues) == place


def test_a_cursor_needs_no_escaping_in_a_url() -> None:
    assert set(pagination.encode_cursor(*PLACE)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["2026-01-01T12:00:00.000Z", "i-1"],
        [*PLACE, 1],
        ["2026-13-01T12:00:00.000Z", "i-1", 7],
        ["2026-02-30T12:00:00.000Z", "i-1", 7],
        ["٢٠٢٦-01-01T12:00:00.000Z", "i-1", 7],
        ["2026-01-01T12:00:00.000Z", "i 1", 7],
        ["2026-01-01T12:00:00.000Z", "i\x00", 7],
        ["2026-01-01T12:00:00.000Z", "i-1", "7"],
        ["2026-01-01T12:00:00.000Z", "i-1", 7.5],
        ["2026-01-01T12:00:00.000Z", "i-1", -1],
        ["2026-01-01T12:00:00.000Z", "i-1", 2**63],
        [None, None, None],
        "text",
        5,
        None,
    ],
)
def test_a_forged_cursor_is_refused(values: object) -> None:
    assert assert_refused(base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("="))


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a_malformed_cursor_is_refused(cursor: str) -> None:
    assert assert_refused(cursor)
