"""Schedule the retry of a failed work item."""

import asyncio

from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.effects.call_limits import FailureThrottle
from services.broadcast.effects.resyncer import RoomResyncer
from services.broadcast.effects.work_queue import WorkItem, WorkQueue
from services.broadcast.livekit.calls import CallFailed


class RetryScheduler:
    """Delays a failed item's key, and marks it as stale afterwards so that the poller reads it again.

    A call takes at most `call_seconds`.
    """

    def __init__(
        self,
        queue: WorkQueue,
        throttle: FailureThrottle,
        dirty_keys: DirtyKeys,
        resyncer: RoomResyncer,
        call_seconds: float,
    ) -> None:
        self._queue = queue
        self._throttle = throttle
        self._dirty_keys = dirty_keys
        self._resyncer = resyncer
        self._call_seconds = call_seconds

    def schedule_item(self, item: WorkItem, error: CallFailed) -> None:
        """Retry the key later. A call of unknown outcome may still undo a newer one: resync after it."""
        # A deletion of unknown outcome must be over first, or it could hit whatever room comes next.
        min_seconds = self._call_seconds if error.outcome_unknown and item.member is None else 0.0
        min_seconds = max(min_seconds, error.retry_after)
        delay = self._queue.schedule_retry(item, retryable=error.retryable, min_seconds=min_seconds)
        if error.retryable:
            self._throttle.record_failure()
        # The failed work may not be desired any more by then: the key is read again, no item is kept.
        asyncio.get_running_loop().call_later(delay, self._dirty_keys.mark_stale, item.key)
        if error.outcome_unknown:
            self._resyncer.schedule_resync(item.room.room_id, 2 * self._call_seconds)
