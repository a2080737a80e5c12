"""Timestamps of fixed width, which sort as text."""

from hypothesis import given
from hypothesis import strategies as st

from cohost_schemas import timestamps

moments = st.integers(0, 253_402_300_799_999)


def test_a_timestamp_is_rfc_3339_in_utc_with_milliseconds() -> None:
    assert timestamps.from_ms(1_767_268_800_007) == "2026-01-01T12:00:00.007Z"
    assert timestamps.to_ms("2026-01-01T12:00:00.007Z") == 1_767_268_800_007
    assert timestamps.add_seconds("2026-01-01T23:59:59.999Z", 1) == "2026-01-02T00:00:00.999Z"


@given(moments)
def test_timestamps_round_trip(milliseconds: int) -> None:
    assert timestamps.to_ms(timestamps.from_ms(milliseconds)) == milliseconds


@given(moments, moments)
def test_timestamps_order_as_text(one: int, other: int) -> None:
    assert (timestamps.from_ms(one) < timestamps.from_ms(other)) == (one < other)
