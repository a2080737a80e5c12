"""The limits of calls: slots for running items, and the throttle that slows calls while all of them fail."""

import asyncio
from dataclasses import dataclass

import pytest

from services.broadcast.effects import call_limits
from services.broadcast.effects.call_limits import CallSlot, CallSlots, FailureThrottle


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_not_slowed_while_some_succeed() -> None:
    throttle = FailureThrottle(Clock())
    for number in range(1_000):
        throttle.record_start()
        if number % 10:
            throttle.record_failure()
        else:
            throttle.record_success()
        assert throttle.seconds_until_start() == 0.0


def test_calls_are_throttled_until_one_succeeds() -> None:
    clock = Clock()
    throttle = FailureThrottle(clock)
    begun = 0
    for _ in range(1_000):
        if not throttle.seconds_until_start():
            throttle.record_start()
            throttle.record_failure()
            begun += 1
        clock.now += 0.001
    assert 20 <= begun <= 45
    throttle.record_success()
    throttle.record_start()
    assert throttle.seconds_until_start() == 0.0


async def acquired(slots: CallSlots) -> CallSlot | None:
    """Return a slot, or None if there is none now."""
    try:
        async with asyncio.timeout(0):
            return await slots.acquire_slot()
    except TimeoutError:
        return None


async def test_an_item_being_reported_leaves_its_calls_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_limits, "_MAX_CALLS", 1)
    monkeypatch.setattr(call_limits, "_MAX_UNREPORTED", 2)
    slots = CallSlots()
    first = await slots.acquire_slot()
    assert await acquired(slots) is None
    first.finish_calls()
    second = await slots.acquire_slot()
    second.finish_calls()
    assert await acquired(slots) is None
    first.release()
    assert await acquired(slots) is not None


async def test_a_slot_is_released_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_limits, "_MAX_CALLS", 1)
    slots = CallSlots()
    slot = await slots.acquire_slot()
    for _ in range(2):
        slot.finish_calls()
        slot.release()
    assert await acquired(slots) is not None
    assert await acquired(slots) is None
