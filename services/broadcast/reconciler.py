"""Reconcile LiveKit with the stages: run the work that LiveKit has not confirmed, key by key."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping

import structlog

from messaging import errors, ids
from schemas import timestamps, topics
from schemas.signals import CallResult, ErrandDone, GrantCallFailed, IntruderSeen
from services.broadcast.agenda import Agenda, Task
from services.broadcast.brake import Brake
from services.broadcast.comparison import Comparison
from services.broadcast.fulfilment import Fulfilment, Lost
from services.broadcast.livekit import CallFailed
from services.broadcast.lookout import Lookout
from services.broadcast.state import Errand, Member, Room
from services.broadcast.surroundings import Surroundings
from services.broadcast.wakeup import Wakeup

_AT_ONCE = 64
_UNREPORTED = 1_000
"""How many items may be running, including those whose calls are done but whose report is not written yet."""

_PATIENCE = 5
"""How often a demotion may fail before the participant is removed instead."""

_RETRY_SECONDS = 0.5
_QUIET_SECONDS = 10.0
"""How long no grant must fail before the log says that calls have recovered."""

_SEEN_SECONDS = 1.0
_ERRAND_MS = 600_000
"""How late an action may run: longer than a survivable outage plus the difference between two clocks."""

log = structlog.get_logger()


class Reconciler:
    """Works on keys that are out of sync: always the newest desired version, one call at a time per key.

    The rows in Postgres drive it; dirty keys only make it look sooner.
    """

    def __init__(self, around: Surroundings, comparison: Comparison, wakeup: Wakeup) -> None:
        self._fulfilment = Fulfilment(around.livekit, around.ownership.holds, self._seen)
        self._comparison = comparison
        self._producer = around.producer
        self._wakeup = wakeup
        self._ownership = around.ownership
        self._call_seconds = around.livekit.seconds
        self._agenda = Agenda(time.monotonic, comparison.seconds)
        self._brake = Brake(time.monotonic)
        self._later = False
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._calling: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None
        self._failing = False
        self._quiet_at = 0.0
        self._lookout = Lookout(around, wakeup, self._agenda, self._fill)

    async def run(self) -> None:
        """Work until cancelled. Raises the first unexpected error of an item."""
        try:
            while self._broken is None:
                await self._lookout.look()
            raise self._broken
        finally:
            for task in self._tasks:
                task.cancel()

    async def taken(self, _: Mapping[int, bool]) -> None:
        """Scan the rows of the lanes that were acquired."""
        self._lookout.start_over()

    async def releasing(self, lanes: Collection[int]) -> None:
        """Drop the lanes' waiting items and wait for their running ones, at most as long as a call may take.

        Nothing new starts for these lanes, because their lease is not valid any more.
        """
        self._agenda.drop(lanes)
        under_way = [task for task, lane in self._tasks.items() if lane in lanes]
        if under_way:
            await asyncio.wait(under_way, timeout=self._call_seconds)
            for task in under_way:
                task.cancel()

    def _fill(self) -> None:
        """Start as many items as may be running."""
        while self._free() and not self._braked() and (task := self._agenda.next()) is not None:
            self._brake.begun()
            under_way = asyncio.create_task(self._do(task))
            self._tasks[under_way] = task.room.lane
            self._calling.add(under_way)
            under_way.add_done_callback(self._ended)

    def _free(self) -> bool:
        return len(self._calling) < _AT_ONCE and len(self._tasks) < _UNREPORTED

    def _called(self) -> None:
        """Let another item start its calls while this one's result is being reported."""
        under_way = asyncio.current_task()
        if under_way in self._calling:
            self._calling.remove(under_way)
            self._fill()

    def _braked(self) -> bool:
        """Return whether starts are throttled now; if so, have them resumed later."""
        wait = self._brake.wait()
        if wait and not self._later:
            self._later = True
            asyncio.get_running_loop().call_later(wait, self._fill_later)
        return wait > 0

    def _fill_later(self) -> None:
        self._later = False
        self._fill()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._calling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
            self._wakeup.ring()
        self._fill()

    async def _do(self, task: Task) -> None:
        try:
            if not self._ownership.holds(task.room.lane):
                return
            if task.member is None:
                deleted = await self._fulfilment.deletion(task.room, task.version)
                await self._report(task, deleted, task.version)
            else:
                await self._member(task, task.member)
        except Lost:
            return
        except CallFailed as error:
            self._rest(task, error)
        finally:
            self._agenda.ended(task)

    async def _member(self, task: Task, member: Member) -> None:
        if task.rights:
            patient = self._agenda.attempts(task) < _PATIENCE
            try:
                applied = await self._fulfilment.rights(task.room, member, patient=patient)
            except CallFailed as error:
                if not member.failed and self._agenda.first(task):
                    await self._tell(task, member, error)
                raise
            await self._report(task, applied, task.version)
        for errand in task.errands:
            await self._report(task, await self._errand(task, member, errand), errand.id)

    async def _errand(self, task: Task, member: Member, errand: Errand) -> ErrandDone:
        in_vain = ErrandDone(room_id=task.room.room_id, user_id=member.user_id, errand_id=errand.id)
        if timestamps.to_ms(timestamps.current_timestamp()) - timestamps.to_ms(errand.at) > _ERRAND_MS:
            log.warning("expired action skipped", kind=errand.kind)
            return in_vain
        try:
            return await self._fulfilment.errand(task.room, member, errand)
        except CallFailed as error:
            if error.retryable:
                raise
            log.warning("failed action skipped", kind=errand.kind, error=error.error)
            return in_vain

    def _rest(self, task: Task, error: CallFailed) -> None:
        """Retry the key later. A call of unknown outcome may still undo a newer one: resync after it."""
        # A deletion of unknown outcome must be over first, or it could hit whatever room comes next.
        least = self._call_seconds if error.unknown and task.member is None else 0.0
        rest = self._agenda.failed(task, retryable=error.retryable, least=least)
        if error.retryable:
            self._brake.failed()
        # The failed work may not be desired any more by then: the key is read again, no item is kept.
        asyncio.get_running_loop().call_later(rest, self._wakeup.again, task.key)
        if error.unknown:
            self._comparison.soon(task.room.room_id, 2 * self._call_seconds)

    async def _tell(self, task: Task, member: Member, error: CallFailed) -> None:
        if not self._failing:
            log.warning("LiveKit calls failing", error=error.error, retryable=error.retryable)
        self._failing = True
        self._quiet_at = time.monotonic() + _QUIET_SECONDS
        failure = GrantCallFailed(
            room_id=task.room.room_id,
            user_id=member.user_id,
            version=task.version,
            error=error.error,
            attempts=self._agenda.attempts(task) + 1,
            retryable=error.retryable,
        )
        await self._send(task, failure)

    async def _seen(self, room: Room, member: Member) -> None:
        """Report an intruder before the demotion, in case this worker dies before reporting that."""
        seen = IntruderSeen(room_id=room.room_id, user_id=member.user_id, version=member.version)
        with contextlib.suppress(errors.NotConfirmed, TimeoutError):
            async with asyncio.timeout(_SEEN_SECONDS):
                await self._producer.send_message(topics.BROADCAST_SIGNALS, ids.uuid7(), seen, room.room_id)

    async def _report(self, task: Task, report: CallResult, what: int | str) -> None:
        self._brake.succeeded()
        # One line is enough while some calls fail and others succeed.
        if self._failing and time.monotonic() > self._quiet_at:
            log.info("LiveKit calls recovered")
            self._failing = False
        self._called()
        if await self._send(task, report):
            self._agenda.reported(task, what)

    async def _send(self, task: Task, report: CallResult) -> bool:
        """Write a signal, and retry while the lane's lease is valid; return whether it is written.

        The first attempt is made even without a lease: work that is done but not reported would be done
        again.
        """
        signal_id = ids.uuid7()
        while True:
            try:
                await self._producer.send_message(
                    topics.BROADCAST_SIGNALS, signal_id, report, task.room.room_id
                )
            except errors.NotConfirmed:
                if not self._ownership.holds(task.room.lane):
                    return False
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return True
