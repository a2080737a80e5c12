"""The text of positions: what is one, what is another stream's, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.streams import positions
from services.gateway.streams.positions import Position, StreamKey

ROOM = StreamKey("room", "show")
OFFSETS = st.lists(st.integers(0, 2**62), min_size=1, max_size=36).map(tuple)


def text_of(key: StreamKey, position: Position) -> str:
    encoded = positions.encode_offsets(position.hour, position.offsets)
    return positions.encode_position(key, encoded).decode()


@given(st.integers(0, 2**31), OFFSETS)
def test_a_position_is_read_as_it_was_written(hour: int, offsets: tuple[int, ...]) -> None:
    position = Position(hour, offsets)
    assert positions.decode_position(ROOM, text_of(ROOM, position)) == position


@given(st.text())
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="position"):
        positions.decode_position(ROOM, text)


@pytest.mark.parametrize(
    "key", [StreamKey("room", "other"), StreamKey("user", "show"), StreamKey("room", "Show")]
)
def test_a_position_of_another_stream_is_refused(key: StreamKey) -> None:
    with pytest.raises(ValueError, match="no position of this stream"):
        positions.decode_position(key, text_of(ROOM, Position(490_000, (1, 2, 3))))


def test_a_position_with_any_character_changed_is_refused() -> None:
    text = text_of(ROOM, Position(490_000, (100, 20_000, 3_000_000)))
    changed = [
        text[:place] + other + text[place + 1 :]
        for place in range(len(text))
        for other in "Ab0_"
        if text[place] != other
    ]
    for damaged in [*changed, text[:-1], text[1:], text + "A", text + "=", f" {text}", text + text]:
        with pytest.raises(ValueError, match="position"):
            positions.decode_position(ROOM, damaged)


def test_a_position_of_a_room_is_short() -> None:
    assert len(text_of(ROOM, Position(490_000, (1_000_000, 1_000_000, 1_000_000)))) <= 24
