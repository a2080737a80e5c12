"""The wait of a takeover for facts: until they are read to the ends that their topics had."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog
from aiokafka import TopicPartition

_STALL_SECONDS = 30
_POLL_SECONDS = 0.1
_REMAINING_POLL_SECONDS = 1.0

log = structlog.get_logger()


class FactsWait:
    """Waits for facts, as far as waiting can help.

    The wait for facts of our own lanes has no limit. The wait for those of other lanes lasts as long as their
    positions move: a worker that stands still must not stop all others.
    """

    def __init__(
        self,
        read_positions: Callable[[], Awaitable[Mapping[TopicPartition, int]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_positions = read_positions
        self._clock = clock
        self._cancelled = asyncio.Event()
        self._end_offsets: Mapping[TopicPartition, int] = {}
        self.is_complete = False
        """Whether all facts up to the ends at the last takeover were read."""

    @property
    def is_cancelled(self) -> bool:
        """Return whether the wait was cancelled by a revocation."""
        return self._cancelled.is_set()

    def start(self) -> None:
        """Begin with another takeover: nothing is known about its facts."""
        self._cancelled.clear()
        self.is_complete = False

    def cancel(self) -> None:
        """Stop waiting, because the lanes are being revoked."""
        self._cancelled.set()
        self.is_complete = False

    async def wait_caught_up(
        self, end_offsets: Mapping[TopicPartition, int], owned_lanes: Collection[int]
    ) -> None:
        """Wait until facts are read to these ends, or the missing ones belong to lanes that stand still."""
        self._end_offsets = end_offsets
        lagging = await self._wait(owned_lanes, _STALL_SECONDS, _POLL_SECONDS)
        if lagging and not self.is_cancelled:
            log.warning(
                "timed out waiting for facts of other lanes",
                lanes=sorted({partition.partition for partition in lagging}),
            )

    async def wait_remaining(self) -> None:
        """Wait without limit for the facts that were missing when `wait_caught_up` returned."""
        if not self.is_complete:
            await self._wait((), math.inf, _REMAINING_POLL_SECONDS)
            if self.is_complete:
                log.info("facts of other lanes read")

    async def _wait(
        self, owned_lanes: Collection[int], stall_seconds: float, poll_seconds: float
    ) -> Mapping[TopicPartition, int]:
        """Return the positions that are still behind their ends when the wait is over."""
        last_lagging: Mapping[TopicPartition, int] = {}
        moved_at = self._clock()
        while True:
            lagging = await self._read_lagging()
            if lagging != last_lagging:
                last_lagging, moved_at = lagging, self._clock()
            if self.is_cancelled:
                return lagging
            self.is_complete = not lagging
            is_ours = any(partition.partition in owned_lanes for partition in lagging)
            if self.is_complete or (not is_ours and self._clock() - moved_at >= stall_seconds):
                return lagging
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._cancelled.wait(), poll_seconds)

    async def _read_lagging(self) -> dict[TopicPartition, int]:
        positions = await self._read_positions() if self._end_offsets else {}
        return {
            partition: positions[partition]
            for partition, end_offset in self._end_offsets.items()
            # A partition without any record has the end 0, and the position -1 until it is assigned.
            if max(0, positions[partition]) < end_offset
        }
