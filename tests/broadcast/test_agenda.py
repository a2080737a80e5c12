"""What the reconciler does next: the newest wish of a key, one at a time, with rests after failures."""

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
    agenda = Agenda(Clock(), PERIOD)
    agenda.take_in([task(1), task(1, "carol"), task(2)])
    assert [agenda.next(), agenda.next(), agenda.next()] == [task(2), task(1, "carol"), None]


def test_a_key_has_one_work_item_in_progress() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.take_in([task(1)])
    first = agenda.next()
    agenda.take_in([task(2)])
    assert agenda.next() is None
    assert first is not None
    agenda.ended(first)
    assert agenda.next() == task(2)


def test_an_item_queued_during_an_equal_one_does_not_run_again() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.take_in([task(1)])
    first = agenda.next()
    assert first is not None
    agenda.take_in([task(1)])
    agenda.reported(first, 1)
    agenda.ended(first)
    assert agenda.next() is None


def test_a_reported_item_runs_again_if_its_decision_takes_too_long() -> None:
    clock = Clock()
    agenda = Agenda(clock, PERIOD)
    agenda.reported(task(1), 1)
    agenda.take_in([task(1)])
    assert agenda.next() is None
    agenda.take_in([task(2)])
    assert agenda.next() == task(2)
    agenda.ended(task(2))
    clock.now += 59
    agenda.take_in([task(1)])
    assert agenda.next() is None
    clock.now += 1
    agenda.take_in([task(1)])
    assert agenda.next() == task(1)


def test_a_reported_action_never_runs_again() -> None:
    clock = Clock()
    agenda = Agenda(clock, PERIOD)
    agenda.reported(task(1), ERRAND.id)
    for _ in range(10):
        clock.now += 60
        agenda.drop([0])
        agenda.take_in([task(1, rights=False, errands=(ERRAND,))])
        assert agenda.next() is None


def test_old_reports_are_evicted() -> None:
    clock = Clock()
    agenda = Agenda(clock, PERIOD)
    for number in range(100):
        agenda.reported(task(number), number)
        agenda.reported(task(number), f"command-{number}")
        clock.now += 100
    assert agenda.remembered < 50


def test_actions_and_permissions_are_reported_separately() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.reported(task(1), 1)
    agenda.take_in([task(1, errands=(ERRAND,))])
    assert agenda.next() == task(1, rights=False, errands=(ERRAND,))
    agenda.ended(task(1))
    agenda.reported(task(1), ERRAND.id)
    agenda.take_in([task(1, errands=(ERRAND,))])
    assert agenda.next() is None


def test_a_failing_item_backs_off_up_to_a_limit() -> None:
    clock = Clock()
    agenda = Agenda(clock, PERIOD)
    rests = []
    for _ in range(12):
        rests.append(agenda.failed(task(1), retryable=True))
        agenda.take_in([task(1)])
        assert agenda.next() is None
        clock.now += rests[-1]
    assert rests[0] <= 0.25
    assert max(rests) <= 5.0
    assert min(rests[6:]) >= 2.5
    agenda.take_in([task(1)])
    assert agenda.next() == task(1)


def test_closing_a_room_drops_its_queued_items() -> None:
    agenda = Agenda(Clock(), PERIOD)
    elsewhere = replace(task(1), room=replace(ROOM, room_id="other"))
    deletion = Task(replace(ROOM, open=False, deletion=3))
    agenda.take_in([task(1), task(2, "carol"), elsewhere])
    agenda.take_in([deletion, task(4, "dora")])
    assert [agenda.next() for _ in range(4)] == [elsewhere, deletion, task(4, "dora"), None]


def test_a_queued_or_running_item_is_not_reported_as_new() -> None:
    agenda = Agenda(Clock(), PERIOD)
    assert agenda.take_in([task(1)])
    assert not agenda.take_in([task(1)])
    agenda.next()
    assert not agenda.take_in([task(1)])
    assert agenda.take_in([task(1, "carol")])


def test_the_first_failure_of_an_item_is_distinguished() -> None:
    agenda = Agenda(Clock(), PERIOD)
    assert agenda.first(task(1))
    agenda.failed(task(1), retryable=True)
    assert not agenda.first(task(1))
    assert agenda.first(task(2))


def test_an_item_older_than_the_known_version_does_not_run() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.take_in([task(2)])
    agenda.take_in([task(1)])
    newer = agenda.next()
    assert newer == task(2)
    agenda.take_in([task(1)])
    agenda.failed(task(2), retryable=True)
    agenda.ended(task(2))
    agenda.take_in([task(1)])
    assert agenda.next() is None
    agenda.reported(task(2), 2)
    agenda.take_in([task(1)])
    assert agenda.next() is None
    agenda.take_in([task(3)])
    assert agenda.next() == task(3)


def test_a_newer_item_skips_the_back_off() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.failed(task(1), retryable=True)
    agenda.take_in([task(2)])
    assert agenda.next() == task(2)


def test_a_refused_item_waits_a_period_unless_a_newer_one_arrives() -> None:
    clock = Clock()
    agenda = Agenda(clock, PERIOD)
    rest = agenda.failed(task(1), retryable=False)
    assert PERIOD / 2 <= rest <= PERIOD
    agenda.take_in([task(1)])
    assert agenda.next() is None
    agenda.take_in([task(2)])
    assert agenda.next() == task(2)
    agenda.ended(task(2))
    clock.now += rest
    agenda.take_in([task(1)])
    assert agenda.next() == task(1)


def test_attempts_are_counted_until_one_succeeds() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.failed(task(1), retryable=True)
    agenda.failed(task(2), retryable=True)
    assert agenda.attempts(task(2)) == 2
    agenda.reported(task(2), 2)
    assert agenda.attempts(task(2)) == 0


def test_items_of_a_lost_lane_are_dropped() -> None:
    agenda = Agenda(Clock(), PERIOD)
    elsewhere = Task(replace(ROOM, room_id="other", lane=1), Member("bob", version=1))
    agenda.take_in([task(1), elsewhere])
    agenda.drop([0])
    assert [agenda.next(), agenda.next()] == [elsewhere, None]
