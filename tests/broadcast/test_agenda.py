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


def test_only_the_newest_wish_of_a_key_is_done() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.take_in([task(1), task(1, "carol"), task(2)])
    assert [agenda.next(), agenda.next(), agenda.next()] == [task(2), task(1, "carol"), None]


def test_a_key_has_one_task_under_way() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.take_in([task(1)])
    first = agenda.next()
    agenda.take_in([task(2)])
    assert agenda.next() is None
    assert first is not None
    agenda.ended(first)
    assert agenda.next() == task(2)


def test_what_waited_while_the_same_was_under_way_is_done_already() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.take_in([task(1)])
    first = agenda.next()
    assert first is not None
    agenda.take_in([task(1)])
    agenda.reported(first, 1)
    agenda.ended(first)
    assert agenda.next() is None


def test_what_is_reported_is_not_done_again_until_the_decision_takes_too_long() -> None:
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


def test_an_errand_that_is_reported_is_not_done_again_however_long_the_decision_takes() -> None:
    clock = Clock()
    agenda = Agenda(clock, PERIOD)
    agenda.reported(task(1), ERRAND.id)
    for _ in range(10):
        clock.now += 60
        agenda.drop([0])
        agenda.take_in([task(1, rights=False, errands=(ERRAND,))])
        assert agenda.next() is None


def test_what_was_reported_long_ago_is_forgotten() -> None:
    clock = Clock()
    agenda = Agenda(clock, PERIOD)
    for number in range(100):
        agenda.reported(task(number), number)
        agenda.reported(task(number), f"command-{number}")
        clock.now += 100
    assert agenda.remembered < 50


def test_errands_and_rights_are_reported_each_for_itself() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.reported(task(1), 1)
    agenda.take_in([task(1, errands=(ERRAND,))])
    assert agenda.next() == task(1, rights=False, errands=(ERRAND,))
    agenda.ended(task(1))
    agenda.reported(task(1), ERRAND.id)
    agenda.take_in([task(1, errands=(ERRAND,))])
    assert agenda.next() is None


def test_a_failed_wish_rests_longer_each_time_but_never_too_long() -> None:
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


def test_what_was_wished_in_a_room_before_it_closed_waits_no_more() -> None:
    agenda = Agenda(Clock(), PERIOD)
    elsewhere = replace(task(1), room=replace(ROOM, room_id="other"))
    deletion = Task(replace(ROOM, open=False, deletion=3))
    agenda.take_in([task(1), task(2, "carol"), elsewhere])
    agenda.take_in([deletion, task(4, "dora")])
    assert [agenda.next() for _ in range(4)] == [elsewhere, deletion, task(4, "dora"), None]


def test_what_waits_or_is_under_way_already_is_no_news() -> None:
    agenda = Agenda(Clock(), PERIOD)
    assert agenda.take_in([task(1)])
    assert not agenda.take_in([task(1)])
    agenda.next()
    assert not agenda.take_in([task(1)])
    assert agenda.take_in([task(1, "carol")])


def test_the_first_failure_of_a_wish_is_told_from_the_next() -> None:
    agenda = Agenda(Clock(), PERIOD)
    assert agenda.first(task(1))
    agenda.failed(task(1), retryable=True)
    assert not agenda.first(task(1))
    assert agenda.first(task(2))


def test_what_is_older_than_what_is_known_is_not_done() -> None:
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


def test_a_newer_wish_does_not_rest() -> None:
    agenda = Agenda(Clock(), PERIOD)
    agenda.failed(task(1), retryable=True)
    agenda.take_in([task(2)])
    assert agenda.next() == task(2)


def test_what_is_refused_rests_for_a_period_unless_something_else_is_wished() -> None:
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


def test_what_waits_for_a_lane_that_is_gone_is_dropped() -> None:
    agenda = Agenda(Clock(), PERIOD)
    elsewhere = Task(replace(ROOM, room_id="other", lane=1), Member("bob", version=1))
    agenda.take_in([task(1), elsewhere])
    agenda.drop([0])
    assert [agenda.next(), agenda.next()] == [elsewhere, None]
