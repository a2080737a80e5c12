"""Reconcile LiveKit with the stages: run the work that LiveKit has not confirmed, key by key."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping

import structlog

from cohost_schemas import timestamps, topics
from cohost_schemas.signals import CallResult, ErrandDone, GrantCallFailed, IntruderSeen
from messaging import errors
from messaging.batch import ids
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import Member, OneOffAction, Room
from services.broadcast.effects.dependencies import EffectDependencies
from services.broadcast.effects.effect_runner import EffectRunner, LeaseLost
from services.broadcast.effects.failure_throttle import FailureThrottle
from services.broadcast.effects.pending_poller import PendingPoller
from services.broadcast.effects.resyncer import RoomResyncer
from services.broadcast.effects.work_queue import WorkItem, WorkQueue
from services.broadcast.livekit.client import CallFailed

_MAX_CALLS = 64
_MAX_UNREPORTED = 1_000
"""How many items may be running, including those whose calls are done but whose report is not written yet."""

_ATTEMPTS_BEFORE_REMOVAL = 5
"""How often a demotion may fail before the participant is removed instead."""

_RETRY_SECONDS = 0.5
_QUIET_SECONDS = 10.0
"""How long no grant must fail before the log says that calls have recovered."""

_INTRUDER_REPORT_SECONDS = 1.0
_MAX_ACTION_AGE_MS = 600_000
"""How late an action may run: longer than a survivable outage plus the difference between two clocks."""

log = structlog.get_logger()


class Reconciler:
    """Works on keys that are out of sync: always the newest desired version, one call at a time per key.

    The rows in Postgres drive it; dirty keys only make it look sooner.
    """

    def __init__(
        self, dependencies: EffectDependencies, resyncer: RoomResyncer, dirty_keys: DirtyKeys
    ) -> None:
        self._runner = EffectRunner(dependencies.livekit, dependencies.lease.is_valid, self._report_intruder)
        self._resyncer = resyncer
        self._producer = dependencies.producer
        self._dirty_keys = dirty_keys
        self._lease = dependencies.lease
        self._call_seconds = dependencies.livekit.timeout_seconds
        self._queue = WorkQueue(time.monotonic, resyncer.period_seconds)
        self._throttle = FailureThrottle(time.monotonic)
        self._is_resume_scheduled = False
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._calling: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._failing = False
        self._quiet_at = 0.0
        self._poller = PendingPoller(dependencies, dirty_keys, self._queue, self._start_items)

    async def run(self) -> None:
        """Work until cancelled. Raises the first unexpected error of an item."""
        try:
            while self._error is None:
                await self._poller.poll_work()
            raise self._error
        finally:
            for task in self._tasks:
                task.cancel()

    async def on_lanes_acquired(self, _: Mapping[int, bool]) -> None:
        """Scan the rows of the lanes that were acquired."""
        self._poller.restart_scan()

    async def on_lanes_releasing(self, lanes: Collection[int]) -> None:
        """Drop the lanes' waiting items and wait for their running ones, at most as long as a call may take.

        Nothing new starts for these lanes, because their lease is not valid any more.
        """
        self._queue.drop_lanes(lanes)
        under_way = [task for task, lane in self._tasks.items() if lane in lanes]
        if under_way:
            await asyncio.wait(under_way, timeout=self._call_seconds)
            for task in under_way:
                task.cancel()

    def _start_items(self) -> None:
        """Start as many items as may be running."""
        while (
            self._has_capacity()
            and not self._is_throttled()
            and (item := self._queue.start_next()) is not None
        ):
            self._throttle.record_start()
            under_way = asyncio.create_task(self._run_item(item))
            self._tasks[under_way] = item.room.lane
            self._calling.add(under_way)
            under_way.add_done_callback(self._on_task_done)

    def _has_capacity(self) -> bool:
        return len(self._calling) < _MAX_CALLS and len(self._tasks) < _MAX_UNREPORTED

    def _release_call_slot(self) -> None:
        """Let another item start its calls while this one's result is being reported."""
        under_way = asyncio.current_task()
        if under_way in self._calling:
            self._calling.remove(under_way)
            self._start_items()

    def _is_throttled(self) -> bool:
        """Return whether starts are throttled now; if so, have them resumed later."""
        wait = self._throttle.seconds_until_start()
        if wait and not self._is_resume_scheduled:
            self._is_resume_scheduled = True
            asyncio.get_running_loop().call_later(wait, self._resume_items)
        return wait > 0

    def _resume_items(self) -> None:
        self._is_resume_scheduled = False
        self._start_items()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._calling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error
            self._dirty_keys.wake_poller()
        self._start_items()

    async def _run_item(self, item: WorkItem) -> None:
        try:
            if not self._lease.is_valid(item.room.lane):
                return
            if item.member is None:
                deleted = await self._runner.delete_room(item.room, item.version)
                await self._report_result(item, deleted, item.version)
            else:
                await self._run_member_item(item, item.member)
        except LeaseLost:
            return
        except CallFailed as error:
            self._schedule_retry(item, error)
        finally:
            self._queue.finish_item(item)

    async def _run_member_item(self, item: WorkItem, member: Member) -> None:
        if item.apply_rights:
            may_retry = self._queue.failed_attempts(item) < _ATTEMPTS_BEFORE_REMOVAL
            try:
                applied = await self._runner.apply_rights(item.room, member, may_retry=may_retry)
            except CallFailed as error:
                if not member.failing and self._queue.is_first_failure(item):
                    await self._report_failure(item, member, error)
                raise
            await self._report_result(item, applied, item.version)
        for action in item.actions:
            await self._report_result(item, await self._run_action(item, member, action), action.command_id)

    async def _run_action(self, item: WorkItem, member: Member, action: OneOffAction) -> ErrandDone:
        skipped = ErrandDone(room_id=item.room.room_id, user_id=member.user_id, errand_id=action.command_id)
        if (
            timestamps.to_ms(timestamps.current_timestamp()) - timestamps.to_ms(action.requested_at)
            > _MAX_ACTION_AGE_MS
        ):
            log.warning("expired action skipped", kind=action.kind)
            return skipped
        try:
            return await self._runner.run_action(item.room, member, action)
        except CallFailed as error:
            if error.retryable:
                raise
            log.warning("failed action skipped", kind=action.kind, error=error.error)
            return skipped

    def _schedule_retry(self, item: WorkItem, error: CallFailed) -> None:
        """Retry the key later. A call of unknown outcome may still undo a newer one: resync after it."""
        # A deletion of unknown outcome must be over first, or it could hit whatever room comes next.
        min_seconds = self._call_seconds if error.outcome_unknown and item.member is None else 0.0
        delay = self._queue.schedule_retry(item, retryable=error.retryable, min_seconds=min_seconds)
        if error.retryable:
            self._throttle.record_failure()
        # The failed work may not be desired any more by then: the key is read again, no item is kept.
        asyncio.get_running_loop().call_later(delay, self._dirty_keys.mark_stale, item.key)
        if error.outcome_unknown:
            self._resyncer.schedule_resync(item.room.room_id, 2 * self._call_seconds)

    async def _report_failure(self, item: WorkItem, member: Member, error: CallFailed) -> None:
        if not self._failing:
            log.warning("LiveKit calls failing", error=error.error, retryable=error.retryable)
        self._failing = True
        self._quiet_at = time.monotonic() + _QUIET_SECONDS
        failure = GrantCallFailed(
            room_id=item.room.room_id,
            user_id=member.user_id,
            version=item.version,
            error=error.error,
            attempts=self._queue.failed_attempts(item) + 1,
            retryable=error.retryable,
        )
        await self._write_signal(item, failure)

    async def _report_intruder(self, room: Room, member: Member) -> None:
        """Report an intruder before the demotion, in case this worker dies before reporting that."""
        signal = IntruderSeen(room_id=room.room_id, user_id=member.user_id, version=member.desired_version)
        with contextlib.suppress(errors.NotConfirmed, TimeoutError):
            async with asyncio.timeout(_INTRUDER_REPORT_SECONDS):
                await self._producer.send_message(topics.BROADCAST_SIGNALS, ids.uuid7(), signal, room.room_id)

    async def _report_result(self, item: WorkItem, result: CallResult, reported: int | str) -> None:
        self._throttle.record_success()
        # One line is enough while some calls fail and others succeed.
        if self._failing and time.monotonic() > self._quiet_at:
            log.info("LiveKit calls recovered")
            self._failing = False
        self._release_call_slot()
        if await self._write_signal(item, result):
            self._queue.mark_reported(item, reported)

    async def _write_signal(self, item: WorkItem, result: CallResult) -> bool:
        """Write a signal, and retry while the lane's lease is valid; return whether it is written.

        The first attempt is made even without a lease: work that is done but not reported would be done
        again.
        """
        signal_id = ids.uuid7()
        while True:
            try:
                await self._producer.send_message(
                    topics.BROADCAST_SIGNALS, signal_id, result, item.room.room_id
                )
            except errors.NotConfirmed:
                if not self._lease.is_valid(item.room.lane):
                    return False
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return True
