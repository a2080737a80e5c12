"""Workers killed at failpoints: one test for each row of the crash table."""

import signal
from collections.abc import AsyncIterator

import pytest

from messaging.config import Config
from tests.messaging.worker_fleet import WorkerFleet

COMMANDS = 300
NO_REBALANCE_MS = 8000
"""A session timeout that no stall of a busy machine exceeds."""

BATCH_POINTS = [
    "before commit",
    "after commit",
    "before publish",
    "before end of transaction",
    "after end of transaction",
]


@pytest.fixture
async def fleet(kafka: str, database_url: str, prefix: str) -> AsyncIterator[WorkerFleet]:
    fleet = WorkerFleet(Config(kafka, database_url, "counter", prefix=prefix, session_timeout_ms=1500))
    await fleet.create_tables()
    yield fleet
    await fleet.kill_workers()


async def assert_consistent(fleet: WorkerFleet) -> None:
    """Assert that the log has one outcome per command, in order, without gaps or duplicates."""
    await fleet.wait_until_decided()
    for worker in fleet.workers:
        if worker.process.poll() is None:
            worker.send_signal(signal.SIGTERM)
            assert await worker.wait_for_exit() == 0
    report = await fleet.run_audit()
    assert report.violations == []
    assert report.commands == len(fleet.sent_ids)


@pytest.mark.parametrize("point", BATCH_POINTS)
async def test_a_worker_killed_in_a_batch_leaves_a_consistent_log(fleet: WorkerFleet, point: str) -> None:
    first = fleet.start_worker(at={point: [1, "kill"]})
    await first.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    await first.wait_until_reached(point)
    assert await first.wait_for_exit() == -signal.SIGKILL
    fleet.start_worker()
    await fleet.publish_commands(COMMANDS)
    await assert_consistent(fleet)


@pytest.mark.parametrize("point", ["after claim", "after fence", "after log ends"])
async def test_a_worker_killed_during_takeover_leaves_a_consistent_log(
    fleet: WorkerFleet, point: str
) -> None:
    first = fleet.start_worker(at={"after commit": [1, "kill"]})
    await first.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    assert await first.wait_for_exit() == -signal.SIGKILL
    second = fleet.start_worker(at={point: [1, "kill"]})
    await second.wait_until_reached(point)
    assert await second.wait_for_exit() == -signal.SIGKILL
    fleet.start_worker()
    await assert_consistent(fleet)


async def test_a_worker_killed_before_release_leaves_a_consistent_log(fleet: WorkerFleet) -> None:
    # After a rebalance the worker would release its lanes before the test stops it.
    first = fleet.start_worker(at={"before release": [1, "kill"]}, session_timeout_ms=NO_REBALANCE_MS)
    await first.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    await fleet.wait_until_decided()
    first.send_signal(signal.SIGTERM)
    await first.wait_until_reached("before release")
    assert await first.wait_for_exit() == -signal.SIGKILL
    fleet.start_worker()
    await fleet.publish_commands(COMMANDS)
    await assert_consistent(fleet)


async def test_a_stopped_worker_that_comes_back_writes_nothing(fleet: WorkerFleet) -> None:
    zombie = fleet.start_worker(at={"before publish": [1, "stop"]})
    await zombie.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    await zombie.wait_until_reached("before publish")
    successor = fleet.start_worker()
    await successor.wait_until_reached("ready")
    await fleet.wait_until_decided()
    zombie.send_signal(signal.SIGCONT)
    await fleet.publish_commands(COMMANDS)
    await assert_consistent(fleet)


async def test_two_unfenced_owners_that_live_publish_nothing(fleet: WorkerFleet) -> None:
    first = fleet.start_worker(
        at={"before publish": [1, "stop, then go on without Postgres"], "after claim": [2, "kill"]},
        # A rebalance would let it claim its lanes a second time before it publishes.
        session_timeout_ms=NO_REBALANCE_MS,
    )
    await first.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    await first.wait_until_reached("before publish")
    # It has claimed the lanes, but not fenced the first.
    second = fleet.start_worker(at={"after claim": [1, "stop"]})
    await second.wait_until_reached("after claim")
    third = fleet.start_worker()
    await third.wait_until_reached("ready")
    await fleet.wait_until_decided()
    first.send_signal(signal.SIGCONT)
    await first.wait_until_reached("after claim")
    assert await first.wait_for_exit() == -signal.SIGKILL
    second.send_signal(signal.SIGCONT)
    await fleet.publish_commands(COMMANDS)
    await assert_consistent(fleet)


async def test_two_workers_share_the_lanes_and_hand_them_over_cleanly(fleet: WorkerFleet) -> None:
    first = fleet.start_worker()
    await first.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    second = fleet.start_worker()
    await fleet.publish_commands(COMMANDS)
    await second.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    await fleet.wait_until_decided()
    first.send_signal(signal.SIGTERM)
    assert await first.wait_for_exit() == 0
    await fleet.publish_commands(COMMANDS)
    await assert_consistent(fleet)


async def test_without_the_tail_check_the_audit_finds_duplicates(fleet: WorkerFleet) -> None:
    first = fleet.start_worker(at={"after end of transaction": [1, "kill"]})
    await first.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    assert await first.wait_for_exit() == -signal.SIGKILL
    successor = fleet.start_worker(without=["log-end check"], at={"after end of transaction": [1, "mark"]})
    await successor.wait_until_reached("after end of transaction")
    assert (await fleet.run_audit()).violations


async def test_without_the_fencing_the_audit_finds_duplicates(fleet: WorkerFleet) -> None:
    zombie = fleet.start_worker(
        at={
            "before publish": [1, "stop, then go on without Postgres"],
            "after end of transaction": [1, "wait"],
        }
    )
    await zombie.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    await zombie.wait_until_reached("before publish")
    successor = fleet.start_worker(without=["fencing"], at={"after end of transaction": [1, "wait"]})
    await successor.wait_until_reached("after end of transaction")
    zombie.send_signal(signal.SIGCONT)
    await zombie.wait_until_reached("after end of transaction")
    assert (await fleet.run_audit()).violations


async def test_without_the_epoch_check_the_audit_finds_missing_outcomes(fleet: WorkerFleet) -> None:
    zombie = fleet.start_worker(
        without=["epoch check"], at={"before update": [1, "stop"], "before publish": [1, "kill"]}
    )
    await zombie.wait_until_reached("ready")
    await fleet.publish_commands(COMMANDS)
    await zombie.wait_until_reached("before update")
    successor = fleet.start_worker(without=["epoch check"], at={"before update": [1, "wait"]})
    await successor.wait_until_reached("before update")
    zombie.send_signal(signal.SIGCONT)
    assert await zombie.wait_for_exit() == -signal.SIGKILL
    successor.release_point("before update")
    await fleet.publish_commands(COMMANDS)
    await fleet.wait_until_decided()
    assert (await fleet.run_audit()).violations
