"""The reconciler's queue: the newest work item of each key, with back-off after failures."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from cachetools import TTLCache

from cohost.kafka.backoff import Backoff
from services.broadcast.batch_changes import MemberInRoom
from services.broadcast.domain.state import Member, MemberKey, OneOffAction, Room

_FIRST_RETRY_SECONDS = 0.25
_MAX_RETRY_SECONDS = 5.0
_APPLIED_TTL_SECONDS = 60.0
"""Seconds to wait for the decision on applied rights before they are applied again.

Applying them twice is harmless, but must not add to the work of a worker that is behind.
"""

_ACTION_TTL_SECONDS = 3600.0
"""Seconds to wait for the decision on an action: run twice, a mute would undo the user's own unmuting."""


@dataclass(frozen=True, slots=True)
class WorkItem:
    """All the work for a key: a member's rights and actions, or the room's deletion if there is no member."""

    room: Room
    member: Member | None = None
    apply_rights: bool = True
    actions: tuple[OneOffAction, ...] = ()

    @property
    def key(self) -> MemberKey:
        """Return the key of the member, or of the room if there is no member."""
        return MemberKey(self.room.room_id, self.member.user_id if self.member is not None else "")

    @property
    def version(self) -> int:
        """Return the desired version that this item applies."""
        return self.member.desired_version if self.member is not None else self.room.deletion_version or 0


def item_for(target: MemberInRoom) -> WorkItem:
    """Return the work item of a member that is out of sync."""
    return WorkItem(target.room, target.member, not target.member.has_rights_in_sync, target.member.actions)


@dataclass(frozen=True, slots=True)
class _FailureRun:
    """Consecutive failures of a key: the version of the last one, and when it may be retried."""

    version: int
    attempts: int
    retry_at: float
    backoff: Backoff


class WorkQueue:
    """Waiting and running work items, at most one of each per key.

    `clock` is monotonic, in seconds. A refused call is retried after `refused_retry_seconds`.
    """

    def __init__(self, clock: Callable[[], float], refused_retry_seconds: float) -> None:
        self._clock = clock
        self._refused_backoff = Backoff(refused_retry_seconds, refused_retry_seconds)
        self._changed = asyncio.Event()
        # Not a plain dict, which walks over all removed entries to find its first one.
        self._waiting: OrderedDict[MemberKey, WorkItem] = OrderedDict()
        self._running: dict[MemberKey, WorkItem] = {}
        self._failures: dict[MemberKey, _FailureRun] = {}
        # Reported work expires by age only: a size limit could apply rights or run actions again.
        self._applied_versions: TTLCache[MemberKey, int] = TTLCache(math.inf, _APPLIED_TTL_SECONDS, clock)
        self._completed_actions: TTLCache[tuple[MemberKey, str], None] = TTLCache(
            math.inf, _ACTION_TTL_SECONDS, clock
        )

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def reported_count(self) -> int:
        """Return the number of reported versions and actions that are remembered."""
        return len(self._applied_versions) + len(self._completed_actions)

    def add_items(self, items: Iterable[WorkItem]) -> bool:
        """Queue items in place of older ones; return whether any key was neither queued nor running.

        Items come from memory and from rows and may be outdated: one that is older than a known one of its
        key is ignored.
        """
        items = list(items)
        self._drop_closed_rooms({item.room.room_id: item.version for item in items if item.member is None})
        ready = {
            key: item
            for item in items
            for key in [item.key]
            if self._remaining_work(key, item) is not None and not self._is_outdated(key, item)
        }
        is_new = any(key not in self._running and key not in self._waiting for key in ready)
        self._waiting.update(ready)
        if ready:
            self._changed.set()
        return is_new

    def start_next(self) -> WorkItem | None:
        """Return the next item whose key has none running, and count it as running; None if there is none."""
        while (key := next((key for key in self._waiting if key not in self._running), None)) is not None:
            # The item that was running when this one was queued may have done the same work.
            item = self._remaining_work(key, self._waiting.pop(key))
            if item is not None:
                self._running[key] = item
                return item
        return None

    def finish_item(self, item: WorkItem) -> None:
        """Record that an item is not running any more."""
        self._running.pop(item.key, None)
        self._changed.set()

    async def wait_for_change(self) -> None:
        """Wait until `start_next` may find an item that it did not find before."""
        await self._changed.wait()
        self._changed.clear()

    def mark_reported(self, item: WorkItem, reported: int | str) -> None:
        """Remember a reported version (int) or action id (str) until the decision on it is committed."""
        key = item.key
        if isinstance(reported, str):
            self._completed_actions[key, reported] = None
        else:
            newest = max(reported, self._applied_versions.get(key, reported))
            self._applied_versions[key] = newest
        self._failures.pop(key, None)

    def failed_attempts(self, item: WorkItem) -> int:
        """Return the number of consecutive failures of the item's key."""
        failure = self._failures.get(item.key)
        return failure.attempts if failure is not None else 0

    def is_first_failure(self, item: WorkItem) -> bool:
        """Return whether a failure of this item's version would be its first."""
        failure = self._failures.get(item.key)
        return failure is None or failure.version != item.version

    def schedule_retry(self, item: WorkItem, *, retryable: bool, min_seconds: float = 0.0) -> float:
        """Hold the key back for at least `min_seconds`; return the delay in seconds.

        A refused call is retried as well: an operator may correct the API key or the clock.
        """
        before = self._failures.get(item.key)
        backoff = before.backoff if before is not None else Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        delay = backoff.next_wait()
        if not retryable:
            delay = self._refused_backoff.next_wait()
        delay = max(min_seconds, delay)
        attempts = self.failed_attempts(item) + 1
        self._failures[item.key] = _FailureRun(item.version, attempts, self._clock() + delay, backoff)
        return delay

    def drop_lanes(self, lanes: Collection[int]) -> None:
        """Drop these lanes' waiting items and all back-off, but keep what was reported."""
        self._keep_waiting(lambda item: item.room.lane not in lanes)
        self._failures.clear()

    def _drop_closed_rooms(self, deletions: Mapping[str, int]) -> None:
        """Drop the items from before a room closed: the deletion of the LiveKit room does their work."""
        if deletions:
            self._keep_waiting(
                lambda item: item.member is None or item.version > deletions.get(item.room.room_id, -1)
            )

    def _keep_waiting(self, is_kept: Callable[[WorkItem], bool]) -> None:
        self._waiting = OrderedDict((key, item) for key, item in self._waiting.items() if is_kept(item))

    def _is_outdated(self, key: MemberKey, item: WorkItem) -> bool:
        known = (self._waiting.get(key), self._running.get(key))
        return any(other is not None and item.version < other.version for other in known)

    def _remaining_work(self, key: MemberKey, item: WorkItem) -> WorkItem | None:
        """Return the item without its reported work; None if nothing is left or while it is held back."""
        failure = self._failures.get(key)
        if failure is not None and item.version < failure.version:
            return None
        if failure is not None and item.version == failure.version and self._clock() < failure.retry_at:
            return None
        apply_rights = item.apply_rights and item.version > self._applied_versions.get(key, -1)
        actions = tuple(
            action for action in item.actions if (key, action.command_id) not in self._completed_actions
        )
        if not apply_rights and not actions:
            return None
        if apply_rights == item.apply_rights and len(actions) == len(item.actions):
            return item
        return replace(item, apply_rights=apply_rights, actions=actions)
