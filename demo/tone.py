"""Synthesis of a participant's tone, and its detection in received audio."""

import math
from array import array
from collections.abc import Sequence

from livekit import rtc

SAMPLE_RATE = 48_000
FRAME_SAMPLES = SAMPLE_RATE // 100
WINDOW_SAMPLES = SAMPLE_RATE // 10

_AMPLITUDE = 8_000
_MIN_AMPLITUDE = 500
_MIN_PURITY = 0.8


def tone_frame(pitch: int, number: int) -> rtc.AudioFrame:
    """Return frame `number` of a tone of `pitch` Hz: 10 ms, mono."""
    start = number * FRAME_SAMPLES
    turn = 2 * math.pi * pitch / SAMPLE_RATE
    samples = array(
        "h", (round(_AMPLITUDE * math.sin(turn * (start + index))) for index in range(FRAME_SAMPLES))
    )
    return rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE, 1, FRAME_SAMPLES)


def contains_tone(samples: Sequence[int], pitch: int) -> bool:
    """Return whether the samples are audible and consist almost only of a tone of `pitch` Hz."""
    energy = sum(sample * sample for sample in samples)
    if energy < len(samples) * _MIN_AMPLITUDE * _MIN_AMPLITUDE:
        return False
    return 2 * spectral_power(samples, pitch) / (len(samples) * energy) > _MIN_PURITY


def spectral_power(samples: Sequence[int], pitch: int) -> float:
    """Return the squared magnitude of the samples' spectrum at `pitch` Hz (Goertzel)."""
    factor = 2 * math.cos(2 * math.pi * pitch / SAMPLE_RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    return last * last + before * before - factor * last * before
