"""Run one work item: its calls, the reports of their results, and the retry if a call fails."""

from contextlib import AbstractContextManager

import structlog

from cohost_schemas import timestamps
from cohost_schemas.envelope import Correlation
from cohost_schemas.signals import CallResult, ErrandDone, GrantCallFailed
from messaging.tracing.tracer import Tracer, trace_work
from services.broadcast.domain.state import Member, OneOffAction
from services.broadcast.effects.call_limits import CallSlot, FailureThrottle
from services.broadcast.effects.effect_runner import EffectRunner, LeaseLost
from services.broadcast.effects.report_writer import ReportWriter
from services.broadcast.effects.retry_scheduler import RetryScheduler
from services.broadcast.effects.work_queue import WorkItem, WorkQueue
from services.broadcast.livekit.calls import CallFailed
from services.runtime import log_ids

_ATTEMPTS_BEFORE_REMOVAL = 5
"""Failed demotions after which the participant is removed instead."""

_MAX_ACTION_AGE_MS = 600_000
"""The age up to which an action runs: longer than a survivable outage plus the skew between two clocks."""

log = structlog.get_logger()


class WorkItemRunner:
    """Runs work items; every step may be repeated safely."""

    def __init__(  # noqa: PLR0913, PLR0917 - what an item's work needs
        self,
        queue: WorkQueue,
        effects: EffectRunner,
        reports: ReportWriter,
        throttle: FailureThrottle,
        retries: RetryScheduler,
        tracer: Tracer | None = None,
    ) -> None:
        self._queue = queue
        self._effects = effects
        self._reports = reports
        self._throttle = throttle
        self._retries = retries
        self._tracer = tracer

    async def run_item(self, item: WorkItem, slot: CallSlot) -> None:
        """Run an item, and release the slot for calls at its first report."""
        try:
            if item.member is None:
                with self._trace_work("delete room", item, item.room.work_correlation) as correlation:
                    deleted = await self._effects.delete_room(item.room, item.version)
                    await self._report_result(item, deleted, correlation, slot)
            else:
                await self._run_member_item(item, item.member, slot)
        except LeaseLost:
            return
        except CallFailed as error:
            self._retries.schedule_item(item, error)

    async def _run_member_item(self, item: WorkItem, member: Member, slot: CallSlot) -> None:
        if item.apply_rights:
            with self._trace_work("apply rights", item, member.work_correlation) as correlation:
                await self._apply_rights(item, member, slot, correlation)
        for action in item.actions:
            with self._trace_work(action.kind, item, action.correlation) as correlation:
                completed = await self._run_action(item, member, action)
                await self._report_result(item, completed, correlation, slot)

    def _trace_work(
        self, name: str, item: WorkItem, correlation: Correlation | None
    ) -> AbstractContextManager[Correlation | None]:
        return trace_work(self._tracer, name, correlation, item.room.room_id)

    async def _apply_rights(
        self, item: WorkItem, member: Member, slot: CallSlot, correlation: Correlation | None
    ) -> None:
        may_retry = self._queue.failed_attempts(item) < _ATTEMPTS_BEFORE_REMOVAL
        try:
            applied = await self._effects.apply_rights(item.room, member, may_retry=may_retry)
        except CallFailed as error:
            if not member.failing and self._queue.is_first_failure(item):
                await self._report_failure(item, member, error, correlation)
            raise
        await self._report_result(item, applied, correlation, slot)

    async def _run_action(self, item: WorkItem, member: Member, action: OneOffAction) -> ErrandDone:
        skipped = ErrandDone(room_id=item.room.room_id, user_id=member.user_id, errand_id=action.command_id)
        if (
            timestamps.to_ms(timestamps.current_timestamp()) - timestamps.to_ms(action.requested_at)
            > _MAX_ACTION_AGE_MS
        ):
            log.warning("expired action skipped", kind=action.kind, **_ids_of(item, action))
            return skipped
        try:
            return await self._effects.run_action(item.room, member, action)
        except CallFailed as error:
            if error.retryable:
                raise
            log.warning("failed action skipped", kind=action.kind, error=error.error, **_ids_of(item, action))
            return skipped

    async def _report_result(
        self, item: WorkItem, result: CallResult, correlation: Correlation | None, slot: CallSlot
    ) -> None:
        self._throttle.record_success()
        slot.finish_calls()
        reported = result.errand_id if isinstance(result, ErrandDone) else item.version
        if await self._reports.write_result(item.room, result, correlation):
            self._queue.mark_reported(item, reported)

    async def _report_failure(
        self, item: WorkItem, member: Member, error: CallFailed, correlation: Correlation | None
    ) -> None:
        failure = GrantCallFailed(
            room_id=item.room.room_id,
            user_id=member.user_id,
            version=item.version,
            error=error.error,
            attempts=self._queue.failed_attempts(item) + 1,
            retryable=error.retryable,
        )
        await self._reports.write_failure(item.room, failure, correlation)


def _ids_of(item: WorkItem, action: OneOffAction) -> dict[str, str]:
    return log_ids.ids_of(item.room.room_id, action.command_id, log_ids.traceparent_of(action.correlation))
