"""The wait for facts at a takeover: slow readers, readers that stand still, and revocations."""

import asyncio
from collections.abc import Mapping

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from messaging.lanes import facts_wait
from messaging.lanes.facts_wait import FactsWait

OURS, THEIRS, ALSO_THEIRS = (TopicPartition("users", lane) for lane in range(3))


class ScriptedReaders:
    """The readers of three partitions with ten facts each; the clock moves on by 7 s at each look at them.

    `steps` are the positions of the partitions at each look; the last ones stay.
    """

    def __init__(self, *steps: tuple[int, int, int]) -> None:
        self.now = 0.0
        self.looks = 0
        self._steps = steps
        self.wait = FactsWait(self._read_positions, lambda: self.now)

    async def _read_positions(self) -> Mapping[TopicPartition, int]:
        self.now += 7
        step = self._steps[min(self.looks, len(self._steps) - 1)]
        self.looks += 1
        return dict(zip((OURS, THEIRS, ALSO_THEIRS), step, strict=True))

    async def wait_caught_up(self) -> tuple[bool, int]:
        """Wait for all facts; return whether they are complete, and the number of looks that it took."""
        await self.wait.wait_caught_up(dict.fromkeys((OURS, THEIRS, ALSO_THEIRS), 10), {OURS.partition})
        return self.wait.is_complete, self.looks


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_wait, "_POLL_SECONDS", 0)
    monkeypatch.setattr(facts_wait, "_REMAINING_POLL_SECONDS", 0)


async def test_facts_that_are_read_already_are_not_waited_for() -> None:
    assert await ScriptedReaders((10, 10, 12)).wait_caught_up() == (True, 1)


async def test_own_facts_are_waited_for_however_slowly_they_are_read() -> None:
    slow = [(0, 10, 10)] * 50 + [(9, 10, 10)] * 50 + [(10, 10, 10)]
    assert await ScriptedReaders(*slow).wait_caught_up() == (True, 101)


async def test_facts_of_others_are_waited_for_as_long_as_their_positions_move() -> None:
    slow = [(10, read, 10) for read in range(11) for _ in range(4)]
    assert await ScriptedReaders(*slow).wait_caught_up() == (True, 41)


async def test_facts_of_others_that_stand_still_are_given_up_and_reported() -> None:
    readers = ScriptedReaders((10, 3, 4), (10, 3, 5))
    with capture_logs() as logs:
        # The last movement is seen at the second look, and the 30 s are over at the seventh.
        assert await readers.wait_caught_up() == (False, 7)
    assert [(line["event"], line["lanes"]) for line in logs] == [
        ("timed out waiting for facts of other lanes", [1, 2])
    ]


async def test_own_facts_are_waited_for_beside_others_that_stand_still() -> None:
    readers = ScriptedReaders(*[(read, 3, 10) for read in range(11) for _ in range(9)])
    assert await readers.wait_caught_up() == (False, 96)


async def test_facts_that_were_given_up_are_noticed_when_they_are_read() -> None:
    readers = ScriptedReaders(*[(10, 3, 10)] * 30, (10, 10, 10))
    assert await readers.wait_caught_up() == (False, 6)
    with capture_logs() as logs:
        await readers.wait.wait_remaining()
    assert (readers.wait.is_complete, readers.looks) == (True, 31)
    assert [line["event"] for line in logs] == ["facts of other lanes read"]


async def test_a_partition_that_never_had_a_record_needs_no_reader() -> None:
    wait = FactsWait(ScriptedReaders((-1, -1, -1))._read_positions)  # noqa: SLF001 - their positions alone
    await wait.wait_caught_up({OURS: 0, THEIRS: 0}, {OURS.partition})
    assert wait.is_complete


@pytest.mark.parametrize("method", ["wait_caught_up", "wait_remaining"])
async def test_a_revocation_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(facts_wait, "_POLL_SECONDS", 3600)
    monkeypatch.setattr(facts_wait, "_REMAINING_POLL_SECONDS", 3600)
    readers = ScriptedReaders((0, 0, 0))
    waits = {"wait_caught_up": readers.wait_caught_up, "wait_remaining": readers.wait.wait_remaining}
    waiting = asyncio.create_task(waits[method]())
    await asyncio.sleep(0)
    readers.wait.cancel()
    await asyncio.wait_for(waiting, 60)
    assert (readers.wait.is_cancelled, readers.wait.is_complete) == (True, False)
