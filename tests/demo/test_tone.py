"""Detection of each participant's tone."""

import random
from array import array

import pytest

from demo import tone


def samples_of(pitch: int) -> "array[int]":
    samples = array("h")
    for number in range(tone.WINDOW_SAMPLES // tone.FRAME_SAMPLES):
        samples.frombytes(bytes(tone.tone_frame(pitch, number).data))
    return samples


@pytest.mark.parametrize("pitch", [440, 550, 660, 880])
def test_a_tone_is_known_by_its_pitch_alone(pitch: int) -> None:
    known = [other for other in (440, 550, 660, 880) if tone.contains_tone(samples_of(pitch), other)]
    assert known == [pitch]


def test_silence_holds_no_tone() -> None:
    assert not tone.contains_tone(array("h", [0] * tone.WINDOW_SAMPLES), 440)


def test_noise_holds_no_tone() -> None:
    dice = random.Random(1)  # noqa: S311 - noise
    noise = array("h", (dice.randrange(-8000, 8000) for _ in range(tone.WINDOW_SAMPLES)))
    assert not tone.contains_tone(noise, 440)


def test_a_tone_that_is_too_faint_is_not_detected() -> None:
    faint = array("h", (sample // 100 for sample in samples_of(440)))
    assert not tone.contains_tone(faint, 440)
