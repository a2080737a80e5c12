"""The resync schedule: every room once a period, none earlier unless requested."""

from dataclasses import dataclass
from itertools import pairwise

from services.broadcast.effects.resync_schedule import ResyncSchedule

PERIOD = 30.0


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def rota(rooms: int = 0) -> tuple[ResyncSchedule, Clock]:
    clock = Clock()
    schedule = ResyncSchedule(clock, PERIOD)
    schedule.set_rooms({f"room-{number}" for number in range(rooms)})
    return schedule, clock


def look(schedule: ResyncSchedule, limit: int = 1_000) -> list[str]:
    turns = schedule.take_due(limit)
    for room_id in turns:
        schedule.mark_synced(room_id)
    return turns


def test_a_new_room_is_resynced_at_once_and_then_once_a_period() -> None:
    schedule, clock = rota(1)
    looks = []
    for _ in range(3_000):
        looks += [clock.now for _ in look(schedule)]
        clock.now += 0.1
    pauses = [later - sooner for sooner, later in pairwise(looks)]
    assert looks[0] == 100.0
    assert max(pauses) <= PERIOD + 0.2
    assert min(pauses[1:]) >= 0.8 * PERIOD


def test_rooms_found_together_are_spread_over_the_period() -> None:
    schedule, clock = rota(200)
    assert len(look(schedule)) == 200
    crowds = []
    for _ in range(10):
        clock.now += PERIOD / 10
        crowds.append(len(look(schedule)))
    assert sum(crowds) >= 200
    assert max(crowds) < 60


def test_the_longest_waiting_room_is_first() -> None:
    schedule, clock = rota(10)
    seen = []
    for _ in range(5):
        seen += look(schedule, 2)
        clock.now += 0.001
    assert sorted(seen) == [f"room-{number}" for number in range(10)]


def test_a_failing_room_backs_off_up_to_one_period() -> None:
    schedule, clock = rota(1)
    rests = []
    for _ in range(8):
        assert schedule.take_due(1) == ["room-0"]
        schedule.mark_failed("room-0")
        rests.append(schedule.seconds_until_due())
        clock.now += rests[-1]
    assert rests[0] <= 2.0
    assert PERIOD / 2 <= rests[-1] <= PERIOD


def test_a_requested_resync_runs_once_in_addition() -> None:
    schedule, clock = rota(1)
    look(schedule)
    for _ in range(5):
        schedule.schedule_after(["room-0", "of-nobody"], 8.0)
    assert sorted(_turns_until(schedule, clock, 7.9)) in ([], ["room-0"])
    assert sorted(_turns_until(schedule, clock, 0.2)) == ["of-nobody", "room-0"]
    assert "of-nobody" not in _turns_until(schedule, clock, PERIOD)


def test_a_requested_resync_that_fails_is_retried() -> None:
    schedule, clock = rota()
    schedule.schedule_after(["of-nobody"], 0.0)
    assert schedule.take_due(1) == ["of-nobody"]
    schedule.mark_failed("of-nobody")
    clock.now += 2.0
    assert look(schedule) == ["of-nobody"]


def test_an_urgent_room_is_resynced_at_once() -> None:
    schedule, _ = rota(1)
    look(schedule)
    schedule.schedule_now("room-0")
    assert look(schedule) == ["room-0"]


def test_a_takeover_resyncs_every_room_at_once_and_once_more() -> None:
    schedule, clock = rota(3)
    look(schedule)
    schedule.reset_schedule(8.0)
    assert look(schedule) == []
    schedule.set_rooms({"room-1", "room-3"})
    assert sorted(look(schedule)) == ["room-1", "room-3"]
    seen = _turns_until(schedule, clock, 8.1)
    assert {"room-1", "room-3"} <= set(seen)
    schedule.set_rooms({"room-1", "room-3", "room-4"})
    assert "room-4" in look(schedule)


def test_deleted_and_other_workers_rooms_are_not_resynced() -> None:
    schedule, clock = rota(3)
    look(schedule)
    schedule.set_rooms({"room-1", "room-2"})
    schedule.drop_room("room-1")
    assert set(_turns_until(schedule, clock, 3 * PERIOD)) == {"room-2"}


def _turns_until(schedule: ResyncSchedule, clock: Clock, seconds: float) -> list[str]:
    seen = []
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 0.05
        seen += look(schedule)
    return seen
