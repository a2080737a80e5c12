"""Synthesis of a participant's tone, and its detection in received audio."""

import math
from array import array
from collections.abc import Sequence

from livekit import rtc

RATE = 48_000
FRAME = RATE // 100
WINDOW = RATE // 10

_LOUD = 8_000
_AUDIBLE = 500
_PURE = 0.8


def frame(pitch: int, number: int) -> rtc.AudioFrame:
    """Return frame `number` of a tone of `pitch` Hz: 10 ms, mono."""
    start = number * FRAME
    turn = 2 * math.pi * pitch / RATE
    samples = array("h", (round(_LOUD * math.sin(turn * (start + index))) for index in range(FRAME)))
    return rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME)


def holds(samples: Sequence[int], pitch: int) -> bool:
    """Return whether the samples are audible and consist almost only of a tone of `pitch` Hz."""
    energy = sum(sample * sample for sample in samples)
    if energy < len(samples) * _AUDIBLE * _AUDIBLE:
        return False
    return 2 * power(samples, pitch) / (len(samples) * energy) > _PURE


def power(samples: Sequence[int], pitch: int) -> float:
    """Return the squared magnitude of the samples' spectrum at `pitch` Hz (Goertzel)."""
    factor = 2 * math.cos(2 * math.pi * pitch / RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    return last * last + before * before - factor * last * before
