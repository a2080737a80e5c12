"""Reconcile LiveKit with the stages: run queued work that LiveKit has not confirmed, key by key."""

import asyncio
import functools
from collections.abc import Collection

from messaging.lanes.lease import LaneLease
from services.broadcast.effects.call_limits import CallSlot, CallSlots, FailureThrottle
from services.broadcast.effects.work_item_runner import WorkItemRunner
from services.broadcast.effects.work_queue import WorkItem, WorkQueue


class Reconciler:
    """Takes work items off the queue and runs the newest one of each key, one at a time per key.

    A call takes at most `call_seconds`.
    """

    def __init__(
        self,
        queue: WorkQueue,
        runner: WorkItemRunner,
        throttle: FailureThrottle,
        lease: LaneLease,
        call_seconds: float,
    ) -> None:
        self._queue = queue
        self._runner = runner
        self._throttle = throttle
        self._lease = lease
        self._call_seconds = call_seconds
        self._slots = CallSlots()
        self._tasks: dict[asyncio.Task[None], int] = {}

    async def run(self) -> None:
        """Work until cancelled. Raises the first unexpected error of an item."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    slot = await self._slots.acquire_slot()
                    self._start_item(await self._next_item(), slot, tasks)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def on_lanes_releasing(self, lanes: Collection[int]) -> None:
        """Drop the lanes' waiting items and wait for their running ones, for at most `call_seconds`.

        Nothing new starts for these lanes, because their lease is not valid any more.
        """
        self._queue.drop_lanes(lanes)
        under_way = [task for task, lane in self._tasks.items() if lane in lanes]
        if under_way:
            await asyncio.wait(under_way, timeout=self._call_seconds)
            for task in under_way:
                task.cancel()

    async def _next_item(self) -> WorkItem:
        """Wait for an item that may start now, and take it off the queue."""
        while True:
            while seconds := self._throttle.seconds_until_start():
                await asyncio.sleep(seconds)
            item = self._queue.start_next()
            if item is None:
                await self._queue.wait_for_change()
            elif self._lease.is_valid(item.room.lane):
                return item
            else:
                self._queue.finish_item(item)

    def _start_item(self, item: WorkItem, slot: CallSlot, tasks: asyncio.TaskGroup) -> None:
        self._throttle.record_start()
        task = tasks.create_task(self._runner.run_item(item, slot))
        self._tasks[task] = item.room.lane
        # A callback and not a `finally` in the task, which never starts if it is cancelled before.
        task.add_done_callback(functools.partial(self._end_item, item, slot))

    def _end_item(self, item: WorkItem, slot: CallSlot, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._queue.finish_item(item)
        slot.release()
