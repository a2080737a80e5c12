"""Positions in a stream, as the text of an event's `id:`: the next offset of each partition that it reads."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

StreamKind = Literal["room", "user"]

MAX_AGE_HOURS = 7 * 24
"""The time for which the log keeps a badge's tombstone (contract, section 2)."""

_DIGEST_BYTES = 6
_MAX_NUMBER_BYTES = 9
_is_position_text = re.compile("[A-Za-z0-9_-]+").fullmatch


class StreamKey(NamedTuple):
    """What a stream is about: a room or a user."""

    kind: StreamKind
    id: str


class Position(NamedTuple):
    """The next offset of each partition of a stream, and the hour (since the epoch) in which it was current.

    Everything before it has been given out, and nothing behind it.
    """

    hour: int
    offsets: tuple[int, ...]


def encode_offsets(hour: int, offsets: Sequence[int]) -> bytes:
    """Return the part of a position's text that is the same for all streams of these partitions."""
    encoded = bytearray()
    for number in (hour, *offsets):
        while number > 0x7F:  # noqa: PLR2004 - seven bits in each byte
            encoded.append(number & 0x7F | 0x80)
            number >>= 7  # noqa: PLW2901 - its remaining bits
        encoded.append(number)
    return bytes(encoded)


def encode_position(key: StreamKey, offsets: bytes) -> bytes:
    """Return the text of a stream's position, given the result of `encode_offsets`."""
    return base64.urlsafe_b64encode(offsets + _digest(key, offsets)).rstrip(b"=")


def decode_position(key: StreamKey, text: str) -> Position:
    """Return the position with this text. Raises `ValueError` if it is none, or another stream's."""
    if _is_position_text(text) is None:
        msg = "the position has characters that no position has"
        raise ValueError(msg)
    encoded = _decode_base64(text)
    offsets, digest = encoded[:-_DIGEST_BYTES], encoded[-_DIGEST_BYTES:]
    if not offsets or digest != _digest(key, offsets) or encode_position(key, offsets) != text.encode():
        msg = "this is no position of this stream"
        raise ValueError(msg)
    hour, *numbers = _decode_numbers(offsets)
    return Position(hour, tuple(numbers))


def _decode_base64(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        msg = "the position is not base64"
        raise ValueError(msg) from error


def _decode_numbers(encoded: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte <= 0x7F:  # noqa: PLR2004 - the last byte of a number
            numbers.append(number)
            number = shift = 0
        elif shift == 7 * _MAX_NUMBER_BYTES:
            break
    if shift:
        msg = "the position has a number without an end"
        raise ValueError(msg)
    return numbers


def _digest(key: StreamKey, offsets: bytes) -> bytes:
    # It finds a position of another stream and a damaged one. It is no secret: a position gives no right.
    return hashlib.blake2b(f"{key.kind}/{key.id}/".encode() + offsets, digest_size=_DIGEST_BYTES).digest()
