"""The work queue: the newest item of a key, one at a time, with back-off after failures."""

from dataclasses import dataclass, replace
from typing import Any

from services.broadcast.domain.state import Member, OneOffAction, Room
from services.broadcast.effects.work_queue import WorkItem, WorkQueue

PERIOD = 30.0
ROOM = Room("room", 0, "alice", "", "live", is_open=True)
ERRAND = OneOffAction("command", "mute", "microphone", "alice", "")


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def work_item(version: int = 1, user_id: str = "bob", **more: Any) -> WorkItem:
    return replace(WorkItem(ROOM, Member(user_id, desired_version=version)), **more)


def test_only_the_newest_work_item_of_a_key_runs() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    queue.add_items([work_item(1), work_item(1, "carol"), work_item(2)])
    assert [queue.start_next(), queue.start_next(), queue.start_next()] == [
        work_item(2),
        work_item(1, "carol"),
        None,
    ]


def test_a_key_has_one_work_item_in_progress() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    queue.add_items([work_item(1)])
    first = queue.start_next()
    queue.add_items([work_item(2)])
    assert queue.start_next() is None
    assert first is not None
    queue.finish_item(first)
    assert queue.start_next() == work_item(2)


def test_an_item_queued_during_an_equal_one_does_not_run_again() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    queue.add_items([work_item(1)])
    first = queue.start_next()
    assert first is not None
    queue.add_items([work_item(1)])
    queue.mark_reported(first, 1)
    queue.finish_item(first)
    assert queue.start_next() is None


def test_a_reported_item_runs_again_if_its_decision_takes_too_long() -> None:
    clock = Clock()
    queue = WorkQueue(clock, PERIOD)
    queue.mark_reported(work_item(1), 1)
    queue.add_items([work_item(1)])
    assert queue.start_next() is None
    queue.add_items([work_item(2)])
    assert queue.start_next() == work_item(2)
    queue.finish_item(work_item(2))
    clock.now += 59
    queue.add_items([work_item(1)])
    assert queue.start_next() is None
    clock.now += 1
    queue.add_items([work_item(1)])
    assert queue.start_next() == work_item(1)


def test_a_reported_action_never_runs_again() -> None:
    clock = Clock()
    queue = WorkQueue(clock, PERIOD)
    queue.mark_reported(work_item(1), ERRAND.command_id)
    for _ in range(10):
        clock.now += 60
        queue.drop_lanes([0])
        queue.add_items([work_item(1, apply_rights=False, actions=(ERRAND,))])
        assert queue.start_next() is None


def test_old_reports_are_evicted() -> None:
    clock = Clock()
    queue = WorkQueue(clock, PERIOD)
    for number in range(100):
        queue.mark_reported(work_item(number), number)
        queue.mark_reported(work_item(number), f"command-{number}")
        clock.now += 100
    assert queue.reported_count < 50


def test_actions_and_permissions_are_reported_separately() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    queue.mark_reported(work_item(1), 1)
    queue.add_items([work_item(1, actions=(ERRAND,))])
    assert queue.start_next() == work_item(1, apply_rights=False, actions=(ERRAND,))
    queue.finish_item(work_item(1))
    queue.mark_reported(work_item(1), ERRAND.command_id)
    queue.add_items([work_item(1, actions=(ERRAND,))])
    assert queue.start_next() is None


def test_a_failing_item_backs_off_up_to_a_limit() -> None:
    clock = Clock()
    queue = WorkQueue(clock, PERIOD)
    rests = []
    for _ in range(12):
        rests.append(queue.schedule_retry(work_item(1), retryable=True))
        queue.add_items([work_item(1)])
        assert queue.start_next() is None
        clock.now += rests[-1]
    assert rests[0] <= 0.25
    assert max(rests) <= 5.0
    assert min(rests[6:]) >= 2.5
    queue.add_items([work_item(1)])
    assert queue.start_next() == work_item(1)


def test_closing_a_room_drops_its_queued_items() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    elsewhere = replace(work_item(1), room=replace(ROOM, room_id="other"))
    deletion = WorkItem(replace(ROOM, is_open=False, deletion_version=3))
    queue.add_items([work_item(1), work_item(2, "carol"), elsewhere])
    queue.add_items([deletion, work_item(4, "dora")])
    assert [queue.start_next() for _ in range(4)] == [elsewhere, deletion, work_item(4, "dora"), None]


def test_a_queued_or_running_item_is_not_reported_as_new() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    assert queue.add_items([work_item(1)])
    assert not queue.add_items([work_item(1)])
    queue.start_next()
    assert not queue.add_items([work_item(1)])
    assert queue.add_items([work_item(1, "carol")])


def test_the_first_failure_of_an_item_is_distinguished() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    assert queue.is_first_failure(work_item(1))
    queue.schedule_retry(work_item(1), retryable=True)
    assert not queue.is_first_failure(work_item(1))
    assert queue.is_first_failure(work_item(2))


def test_an_item_older_than_the_known_version_does_not_run() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    queue.add_items([work_item(2)])
    queue.add_items([work_item(1)])
    newer = queue.start_next()
    assert newer == work_item(2)
    queue.add_items([work_item(1)])
    queue.schedule_retry(work_item(2), retryable=True)
    queue.finish_item(work_item(2))
    queue.add_items([work_item(1)])
    assert queue.start_next() is None
    queue.mark_reported(work_item(2), 2)
    queue.add_items([work_item(1)])
    assert queue.start_next() is None
    queue.add_items([work_item(3)])
    assert queue.start_next() == work_item(3)


def test_a_newer_item_skips_the_back_off() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    queue.schedule_retry(work_item(1), retryable=True)
    queue.add_items([work_item(2)])
    assert queue.start_next() == work_item(2)


def test_a_refused_item_waits_a_period_unless_a_newer_one_arrives() -> None:
    clock = Clock()
    queue = WorkQueue(clock, PERIOD)
    rest = queue.schedule_retry(work_item(1), retryable=False)
    assert PERIOD / 2 <= rest <= PERIOD
    queue.add_items([work_item(1)])
    assert queue.start_next() is None
    queue.add_items([work_item(2)])
    assert queue.start_next() == work_item(2)
    queue.finish_item(work_item(2))
    clock.now += rest
    queue.add_items([work_item(1)])
    assert queue.start_next() == work_item(1)


def test_attempts_are_counted_until_one_succeeds() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    queue.schedule_retry(work_item(1), retryable=True)
    queue.schedule_retry(work_item(2), retryable=True)
    assert queue.failed_attempts(work_item(2)) == 2
    queue.mark_reported(work_item(2), 2)
    assert queue.failed_attempts(work_item(2)) == 0


def test_items_of_a_lost_lane_are_dropped() -> None:
    queue = WorkQueue(Clock(), PERIOD)
    elsewhere = WorkItem(replace(ROOM, room_id="other", lane=1), Member("bob", desired_version=1))
    queue.add_items([work_item(1), elsewhere])
    queue.drop_lanes([0])
    assert [queue.start_next(), queue.start_next()] == [elsewhere, None]
