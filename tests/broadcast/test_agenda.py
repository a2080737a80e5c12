"""The work queue: the newest item of a key, one at a time, with back-off after failures."""

from dataclasses import dataclass, replace
from typing import Any

from services.broadcast.agenda import Agenda, Task
from services.broadcast.state import Errand, Member, Room

PERIOD = 30.0
ROOM = Room("room", 0, "alice", "", "live", open=True)
ERRAND = Errand("command", "mute", "microphone", "alice", "")


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def task(version: int = 1, user_id: str = "bob", **more: Any) -> Task:
    return replace(Task(ROOM, Member(user_id, version=version)), **more)


def test_only_the_newest_work_item_of_a_key_runs() -> None:
    queue = Agenda(Clock(), PERIOD)
    queue.take_in([task(1), task(1, "carol"), task(2)])
    assert [queue.next(), queue.next(), queue.next()] == [task(2), task(1, "carol"), None]


def test_a_key_has_one_work_item_in_progress() -> None:
    queue = Agenda(Clock(), PERIOD)
    queue.take_in([task(1)])
    first = queue.next()
    queue.take_in([task(2)])
    assert queue.next() is None
    assert first is not None
    queue.ended(first)
    assert queue.next() == task(2)


def test_an_item_queued_during_an_equal_one_does_not_run_again() -> None:
    queue = Agenda(Clock(), PERIOD)
    queue.take_in([task(1)])
    first = queue.next()
    assert first is not None
    queue.take_in([task(1)])
    queue.reported(first, 1)
    queue.ended(first)
    assert queue.next() is None


def test_a_reported_item_runs_again_if_its_decision_takes_too_long() -> None:
    clock = Clock()
    queue = Agenda(clock, PERIOD)
    queue.reported(task(1), 1)
    queue.take_in([task(1)])
    assert queue.next() is None
    queue.take_in([task(2)])
    assert queue.next() == task(2)
    queue.ended(task(2))
    clock.now += 59
    queue.take_in([task(1)])
    assert queue.next() is None
    clock.now += 1
    queue.take_in([task(1)])
    assert queue.next() == task(1)


def test_a_reported_action_never_runs_again() -> None:
    clock = Clock()
    queue = Agenda(clock, PERIOD)
    queue.reported(task(1), ERRAND.id)
    for _ in range(10):
        clock.now += 60
        queue.drop([0])
        queue.take_in([task(1, rights=False, errands=(ERRAND,))])
        assert queue.next() is None


def test_old_reports_are_evicted() -> None:
    clock = Clock()
    queue = Agenda(clock, PERIOD)
    for number in range(100):
        queue.reported(task(number), number)
        queue.reported(task(number), f"command-{number}")
        clock.now += 100
    assert queue.remembered < 50


def test_actions_and_permissions_are_reported_separately() -> None:
    queue = Agenda(Clock(), PERIOD)
    queue.reported(task(1), 1)
    queue.take_in([task(1, errands=(ERRAND,))])
    assert queue.next() == task(1, rights=False, errands=(ERRAND,))
    queue.ended(task(1))
    queue.reported(task(1), ERRAND.id)
    queue.take_in([task(1, errands=(ERRAND,))])
    assert queue.next() is None


def test_a_failing_item_backs_off_up_to_a_limit() -> None:
    clock = Clock()
    queue = Agenda(clock, PERIOD)
    rests = []
    for _ in range(12):
        rests.append(queue.failed(task(1), retryable=True))
        queue.take_in([task(1)])
        assert queue.next() is None
        clock.now += rests[-1]
    assert rests[0] <= 0.25
    assert max(rests) <= 5.0
    assert min(rests[6:]) >= 2.5
    queue.take_in([task(1)])
    assert queue.next() == task(1)


def test_closing_a_room_drops_its_queued_items() -> None:
    queue = Agenda(Clock(), PERIOD)
    elsewhere = replace(task(1), room=replace(ROOM, room_id="other"))
    deletion = Task(replace(ROOM, open=False, deletion=3))
    queue.take_in([task(1), task(2, "carol"), elsewhere])
    queue.take_in([deletion, task(4, "dora")])
    assert [queue.next() for _ in range(4)] == [elsewhere, deletion, task(4, "dora"), None]


def test_a_queued_or_running_item_is_not_reported_as_new() -> None:
    queue = Agenda(Clock(), PERIOD)
    assert queue.take_in([task(1)])
    assert not queue.take_in([task(1)])
    queue.next()
    assert not queue.take_in([task(1)])
    assert queue.take_in([task(1, "carol")])


def test_the_first_failure_of_an_item_is_distinguished() -> None:
    queue = Agenda(Clock(), PERIOD)
    assert queue.first(task(1))
    queue.failed(task(1), retryable=True)
    assert not queue.first(task(1))
    assert queue.first(task(2))


def test_an_item_older_than_the_known_version_does_not_run() -> None:
    queue = Agenda(Clock(), PERIOD)
    queue.take_in([task(2)])
    queue.take_in([task(1)])
    newer = queue.next()
    assert newer == task(2)
    queue.take_in([task(1)])
    queue.failed(task(2), retryable=True)
    queue.ended(task(2))
    queue.take_in([task(1)])
    assert queue.next() is None
    queue.reported(task(2), 2)
    queue.take_in([task(1)])
    assert queue.next() is None
    queue.take_in([task(3)])
    assert queue.next() == task(3)


def test_a_newer_item_skips_the_back_off() -> None:
    queue = Agenda(Clock(), PERIOD)
    queue.failed(task(1), retryable=True)
    queue.take_in([task(2)])
    assert queue.next() == task(2)


def test_a_refused_item_waits_a_period_unless_a_newer_one_arrives() -> None:
    clock = Clock()
    queue = Agenda(clock, PERIOD)
    rest = queue.failed(task(1), retryable=False)
    assert PERIOD / 2 <= rest <= PERIOD
    queue.take_in([task(1)])
    assert queue.next() is None
    queue.take_in([task(2)])
    assert queue.next() == task(2)
    queue.ended(task(2))
    clock.now += rest
    queue.take_in([task(1)])
    assert queue.next() == task(1)


def test_attempts_are_counted_until_one_succeeds() -> None:
    queue = Agenda(Clock(), PERIOD)
    queue.failed(task(1), retryable=True)
    queue.failed(task(2), retryable=True)
    assert queue.attempts(task(2)) == 2
    queue.reported(task(2), 2)
    assert queue.attempts(task(2)) == 0


def test_items_of_a_lost_lane_are_dropped() -> None:
    queue = Agenda(Clock(), PERIOD)
    elsewhere = Task(replace(ROOM, room_id="other", lane=1), Member("bob", version=1))
    queue.take_in([task(1), elsewhere])
    queue.drop([0])
    assert [queue.next(), queue.next()] == [elsewhere, None]
