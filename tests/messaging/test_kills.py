"""Workers killed at failpoints: one test for each row of the crash table."""

import signal
from collections.abc import AsyncIterator

import pytest

from messaging.config import Config
from tests.messaging.fleet import Fleet

COMMANDS = 300

BATCH_POINTS = [
    "before commit",
    "after commit",
    "before publish",
    "before end of transaction",
    "after end of transaction",
]


@pytest.fixture
async def fleet(kafka: str, database_url: str, prefix: str) -> AsyncIterator[Fleet]:
    fleet = Fleet(Config(kafka, database_url, "counter", prefix=prefix, session_timeout_ms=1500))
    await fleet.prepare()
    yield fleet
    await fleet.stop()


async def whole(fleet: Fleet) -> None:
    """Assert that the log has one outcome per command, in order, without gaps or duplicates."""
    await fleet.decided()
    for worker in fleet.workers:
        if worker.process.poll() is None:
            worker.send(signal.SIGTERM)
            assert await worker.wait_for_exit() == 0
    report = await fleet.audit()
    assert report.violations == []
    assert report.commands == len(fleet.sent)


@pytest.mark.parametrize("point", BATCH_POINTS)
async def test_a_worker_killed_in_a_batch_leaves_a_consistent_log(fleet: Fleet, point: str) -> None:
    first = fleet.start(at={point: [1, "kill"]})
    await first.reached("ready")
    await fleet.command(COMMANDS)
    await first.reached(point)
    assert await first.wait_for_exit() == -signal.SIGKILL
    fleet.start()
    await fleet.command(COMMANDS)
    await whole(fleet)


@pytest.mark.parametrize("point", ["after claim", "after fence", "after log ends"])
async def test_a_worker_killed_during_takeover_leaves_a_consistent_log(fleet: Fleet, point: str) -> None:
    first = fleet.start(at={"after commit": [1, "kill"]})
    await first.reached("ready")
    await fleet.command(COMMANDS)
    assert await first.wait_for_exit() == -signal.SIGKILL
    second = fleet.start(at={point: [1, "kill"]})
    await second.reached(point)
    assert await second.wait_for_exit() == -signal.SIGKILL
    fleet.start()
    await whole(fleet)


async def test_a_worker_killed_before_release_leaves_a_consistent_log(fleet: Fleet) -> None:
    first = fleet.start(at={"before release": [1, "kill"]})
    await first.reached("ready")
    await fleet.command(COMMANDS)
    await fleet.decided()
    first.send(signal.SIGTERM)
    await first.reached("before release")
    assert await first.wait_for_exit() == -signal.SIGKILL
    fleet.start()
    await fleet.command(COMMANDS)
    await whole(fleet)


async def test_a_stopped_worker_that_comes_back_writes_nothing(fleet: Fleet) -> None:
    zombie = fleet.start(at={"before publish": [1, "stop"]})
    await zombie.reached("ready")
    await fleet.command(COMMANDS)
    await zombie.reached("before publish")
    successor = fleet.start()
    await successor.reached("ready")
    await fleet.decided()
    zombie.send(signal.SIGCONT)
    await fleet.command(COMMANDS)
    await whole(fleet)


async def test_two_workers_share_the_lanes_and_hand_them_over_cleanly(fleet: Fleet) -> None:
    first = fleet.start()
    await first.reached("ready")
    await fleet.command(COMMANDS)
    second = fleet.start()
    await fleet.command(COMMANDS)
    await second.reached("ready")
    await fleet.command(COMMANDS)
    await fleet.decided()
    first.send(signal.SIGTERM)
    assert await first.wait_for_exit() == 0
    await fleet.command(COMMANDS)
    await whole(fleet)


async def test_without_the_tail_check_the_audit_finds_duplicates(fleet: Fleet) -> None:
    first = fleet.start(at={"after end of transaction": [1, "kill"]})
    await first.reached("ready")
    await fleet.command(COMMANDS)
    assert await first.wait_for_exit() == -signal.SIGKILL
    successor = fleet.start(without=["log-end check"], at={"after end of transaction": [1, "mark"]})
    await successor.reached("after end of transaction")
    assert (await fleet.audit()).violations


async def test_without_the_fencing_the_audit_finds_duplicates(fleet: Fleet) -> None:
    zombie = fleet.start(
        at={
            "before publish": [1, "stop, then go on without Postgres"],
            "after end of transaction": [1, "wait"],
        }
    )
    await zombie.reached("ready")
    await fleet.command(COMMANDS)
    await zombie.reached("before publish")
    successor = fleet.start(without=["fencing"], at={"after end of transaction": [1, "wait"]})
    await successor.reached("after end of transaction")
    zombie.send(signal.SIGCONT)
    await zombie.reached("after end of transaction")
    assert (await fleet.audit()).violations


async def test_without_the_epoch_check_the_audit_finds_missing_outcomes(fleet: Fleet) -> None:
    zombie = fleet.start(
        without=["epoch check"], at={"before update": [1, "stop"], "before publish": [1, "kill"]}
    )
    await zombie.reached("ready")
    await fleet.command(COMMANDS)
    await zombie.reached("before update")
    successor = fleet.start(without=["epoch check"], at={"before update": [1, "wait"]})
    await successor.reached("before update")
    zombie.send(signal.SIGCONT)
    assert await zombie.wait_for_exit() == -signal.SIGKILL
    successor.go_on("before update")
    await fleet.command(COMMANDS)
    await fleet.decided()
    assert (await fleet.audit()).violations
