"""The resync schedule: every room once a period, none earlier unless requested."""

from dataclasses import dataclass
from itertools import pairwise

import pytest

from services.broadcast.effects import resync_schedule
from services.broadcast.effects.resync_schedule import ResyncSchedule

PERIOD = 30.0
SHORT_PERIOD = 10.0


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def schedule_with_rooms(rooms: int = 0) -> tuple[ResyncSchedule, Clock]:
    clock = Clock()
    schedule = ResyncSchedule(clock, PERIOD, SHORT_PERIOD)
    schedule.set_rooms({f"room-{number}" for number in range(rooms)})
    return schedule, clock


def run_due(schedule: ResyncSchedule, limit: int = 1_000) -> list[str]:
    rooms = schedule.take_due(limit)
    for room_id in rooms:
        schedule.mark_synced(room_id)
    return rooms


def test_a_new_room_is_resynced_at_once_and_then_once_a_period() -> None:
    schedule, clock = schedule_with_rooms(1)
    looks = []
    for _ in range(3_000):
        looks += [clock.now for _ in run_due(schedule)]
        clock.now += 0.1
    pauses = [later - sooner for sooner, later in pairwise(looks)]
    assert looks[0] == 100.0
    assert max(pauses) <= PERIOD + 0.2
    assert min(pauses[1:]) >= 0.8 * PERIOD


def test_a_frequent_room_is_resynced_at_once_and_then_once_a_short_period() -> None:
    schedule, clock = schedule_with_rooms(1)
    run_due(schedule)
    clock.now += 0.1
    schedule.set_frequent({"room-0", "not-on-livekit"})
    assert sorted(run_due(schedule)) == ["not-on-livekit", "room-0"]
    looks = []
    for _ in range(1_000):
        schedule.set_frequent({"room-0"})
        looks += [clock.now for room_id in run_due(schedule) if room_id == "room-0"]
        clock.now += 0.1
    assert max(later - sooner for sooner, later in pairwise(looks)) <= SHORT_PERIOD + 0.2
    schedule.set_frequent(frozenset())
    clock.now += SHORT_PERIOD
    run_due(schedule)
    assert "room-0" not in _run_for(schedule, clock, 0.8 * PERIOD)


def test_a_frequent_room_stays_so_while_livekit_does_not_have_it() -> None:
    schedule, clock = schedule_with_rooms()
    schedule.set_frequent({"room-0"})
    schedule.set_rooms(frozenset())
    assert _run_for(schedule, clock, SHORT_PERIOD + 0.2).count("room-0") >= 2
    schedule.set_frequent(frozenset())
    schedule.set_rooms(frozenset())
    assert _run_for(schedule, clock, PERIOD) == []


def test_the_age_of_the_oldest_resync_is_known() -> None:
    schedule, clock = schedule_with_rooms()
    assert schedule.oldest_look_seconds() == 0.0
    schedule.set_rooms({"room-0", "room-1"})
    clock.now += 5
    schedule.mark_synced("room-0")
    assert schedule.oldest_look_seconds() == 5.0
    schedule.drop_room("room-1")
    assert schedule.oldest_look_seconds() == 0.0


def test_rooms_found_together_are_spread_over_the_period() -> None:
    schedule, clock = schedule_with_rooms(200)
    assert len(run_due(schedule)) == 200
    crowds = []
    for _ in range(10):
        clock.now += PERIOD / 10
        crowds.append(len(run_due(schedule)))
    assert sum(crowds) >= 200
    assert max(crowds) < 60


def test_the_longest_waiting_room_is_first() -> None:
    schedule, clock = schedule_with_rooms(10)
    seen = []
    for _ in range(5):
        seen += run_due(schedule, 2)
        clock.now += 0.001
    assert sorted(seen) == [f"room-{number}" for number in range(10)]


def test_a_failing_room_backs_off_up_to_one_period() -> None:
    schedule, clock = schedule_with_rooms(1)
    rests = []
    for _ in range(8):
        assert schedule.take_due(1) == ["room-0"]
        schedule.mark_failed("room-0")
        rests.append(schedule.seconds_until_due())
        clock.now += rests[-1]
    assert rests[0] <= 2.0
    assert PERIOD / 2 <= rests[-1] <= PERIOD


def test_a_requested_resync_runs_once_in_addition(monkeypatch: pytest.MonkeyPatch) -> None:
    # By chance, the periodic resync could run in the moments before the requested one.
    monkeypatch.setattr(resync_schedule.random, "uniform", lambda _, most: most)
    schedule, clock = schedule_with_rooms(1)
    run_due(schedule)
    for _ in range(5):
        schedule.schedule_after(["room-0", "of-nobody"], 8.0)
    assert _run_for(schedule, clock, 7.9) == []
    assert sorted(_run_for(schedule, clock, 0.2)) == ["of-nobody", "room-0"]
    assert "of-nobody" not in _run_for(schedule, clock, PERIOD)


def test_a_requested_resync_that_fails_is_retried() -> None:
    schedule, clock = schedule_with_rooms()
    schedule.schedule_after(["of-nobody"], 0.0)
    assert schedule.take_due(1) == ["of-nobody"]
    schedule.mark_failed("of-nobody")
    clock.now += 2.0
    assert run_due(schedule) == ["of-nobody"]


def test_an_urgent_room_is_resynced_at_once() -> None:
    schedule, _ = schedule_with_rooms(1)
    run_due(schedule)
    schedule.schedule_now("room-0")
    assert run_due(schedule) == ["room-0"]


def test_a_takeover_resyncs_every_room_at_once_and_once_more() -> None:
    schedule, clock = schedule_with_rooms(3)
    run_due(schedule)
    schedule.reset_schedule(8.0)
    assert run_due(schedule) == []
    schedule.set_rooms({"room-1", "room-3"})
    assert sorted(run_due(schedule)) == ["room-1", "room-3"]
    seen = _run_for(schedule, clock, 8.1)
    assert {"room-1", "room-3"} <= set(seen)
    schedule.set_rooms({"room-1", "room-3", "room-4"})
    assert "room-4" in run_due(schedule)


def test_deleted_and_other_workers_rooms_are_not_resynced() -> None:
    schedule, clock = schedule_with_rooms(3)
    run_due(schedule)
    schedule.set_rooms({"room-1", "room-2"})
    schedule.drop_room("room-1")
    assert set(_run_for(schedule, clock, 3 * PERIOD)) == {"room-2"}


def _run_for(schedule: ResyncSchedule, clock: Clock, seconds: float) -> list[str]:
    seen = []
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 0.05
        seen += run_due(schedule)
    return seen
