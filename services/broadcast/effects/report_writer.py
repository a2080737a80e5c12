"""Report the results of LiveKit calls as signals, and failing calls in the log."""

import asyncio
import contextlib
import time

import structlog

from cohost_schemas import ids, topics
from cohost_schemas.envelope import Correlation
from cohost_schemas.signals import CallResult, GrantCallFailed, IntruderSeen
from messaging import errors
from messaging.lanes.lease import LaneLease
from messaging.producer import AtLeastOnceProducer
from services.broadcast.domain.state import Member, Room
from services.runtime import log_ids

_RETRY_SECONDS = 0.5
_INTRUDER_REPORT_SECONDS = 1.0
_QUIET_SECONDS = 10.0
"""Seconds without a failed grant after which calls count as recovered."""

log = structlog.get_logger()


class FailureLog:
    """Logs once that calls fail and once that they have recovered.

    One line is enough while some calls fail and others succeed.
    """

    def __init__(self) -> None:
        self._failing = False
        self._quiet_at = 0.0

    def record_failure(self, failure: GrantCallFailed, correlation: Correlation | None) -> None:
        """Log the first failure since the last recovery."""
        if not self._failing:
            ids = log_ids.ids_of(failure.room_id, traceparent=log_ids.traceparent_of(correlation))
            log.warning("LiveKit calls failing", error=failure.error, retryable=failure.retryable, **ids)
        self._failing = True
        self._quiet_at = time.monotonic() + _QUIET_SECONDS

    def record_success(self) -> None:
        """Log the recovery, if no grant has failed for a while."""
        if self._failing and time.monotonic() > self._quiet_at:
            log.info("LiveKit calls recovered")
            self._failing = False


class ReportWriter:
    """Writes signals about a room's work for as long as the lease on its lane is valid."""

    def __init__(self, producer: AtLeastOnceProducer, lease: LaneLease) -> None:
        self._producer = producer
        self._lease = lease
        self._failure_log = FailureLog()

    async def write_result(
        self, room: Room, result: CallResult, correlation: Correlation | None = None
    ) -> bool:
        """Report a success of work with this correlation; return whether it is written."""
        self._failure_log.record_success()
        return await self._write_signal(room, result, correlation)

    async def write_failure(
        self, room: Room, failure: GrantCallFailed, correlation: Correlation | None = None
    ) -> None:
        """Report a failure of work with this correlation."""
        self._failure_log.record_failure(failure, correlation)
        await self._write_signal(room, failure, correlation)

    async def write_intruder(self, room: Room, member: Member) -> None:
        """Report an intruder before the demotion, in case this worker dies before reporting that."""
        signal = IntruderSeen(room_id=room.room_id, user_id=member.user_id, version=member.desired_version)
        with contextlib.suppress(errors.NotConfirmed, TimeoutError):
            async with asyncio.timeout(_INTRUDER_REPORT_SECONDS):
                await self._producer.send_message(topics.BROADCAST_SIGNALS, ids.uuid7(), signal, room.room_id)

    async def _write_signal(self, room: Room, result: CallResult, correlation: Correlation | None) -> bool:
        """Write a signal, and retry while the lane's lease is valid; return whether it is written.

        The first attempt is made even without a lease: work that is done but not reported would be done
        again.
        """
        signal_id = ids.uuid7()
        while True:
            try:
                await self._producer.send_message(
                    topics.BROADCAST_SIGNALS, signal_id, result, room.room_id, correlation
                )
            except errors.NotConfirmed:
                if not self._lease.is_valid(room.lane):
                    return False
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return True
