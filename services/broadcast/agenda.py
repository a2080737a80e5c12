"""The reconciler's queue: the newest work item of each key, with back-off after failures."""

import math
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from services.broadcast.state import Errand, Member, Room
from services.broadcast.store import Pending
from services.broadcast.wakeup import Key

_FIRST_WAIT = 0.25
_LONGEST_WAIT = 5.0
_DECISION_SECONDS = 60.0
"""How long the decision on applied rights may take before they are applied again.

That is harmless, but it must not add to the work of a worker that is behind.
"""

_ERRAND_SECONDS = 3600.0
"""How long the decision on an action may take: run twice, a mute would undo the user's own unmuting."""


@dataclass(frozen=True, slots=True)
class Task:
    """All the work for a key: a member's rights and actions, or the room's deletion if there is no member."""

    room: Room
    member: Member | None = None
    rights: bool = True
    errands: tuple[Errand, ...] = ()

    @property
    def key(self) -> Key:
        """Return the room id and the user id, which is empty for the room itself."""
        return (self.room.room_id, self.member.user_id if self.member is not None else "")

    @property
    def version(self) -> int:
        """Return the desired version that this item applies."""
        return self.member.version if self.member is not None else self.room.deletion or 0


def of(pending: Pending) -> Task:
    """Return the work item of a member that is out of sync."""
    return Task(pending.room, pending.member, not pending.member.settled, pending.member.errands)


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive failures of a key: the version of the last one, and when it may be retried."""

    version: int
    attempts: int
    rests_until: float


class _Reported:
    """The newest version that was reported for each key; a version expires after `ttl_seconds`."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._newest: dict[object, tuple[int, float]] = {}
        self._expiring: deque[tuple[float, object]] = deque()

    def __len__(self) -> int:
        return len(self._newest)

    def note(self, thing: object, version: int) -> None:
        """Remember a version of a key, if no newer one is known, and drop the expired ones."""
        now = self._clock()
        while self._expiring and self._expiring[0][0] <= now:
            _, old = self._expiring.popleft()
            if self._newest.get(old, (0, math.inf))[1] <= now:
                del self._newest[old]
        until = now + self._seconds
        self._newest[thing] = (max(version, self.newest(thing)), until)
        self._expiring.append((until, thing))

    def newest(self, thing: object) -> int:
        """Return the key's newest version that has not expired, -1 for none."""
        version, until = self._newest.get(thing, (-1, 0.0))
        return version if until > self._clock() else -1


class Agenda:
    """Waiting and running work items, at most one of each per key.

    `clock` is monotonic, in seconds. A refused call is retried after `refused_retry_seconds`.
    """

    def __init__(self, clock: Callable[[], float], period: float) -> None:
        self._clock = clock
        self._period = period
        # Not a plain dict: that finds its first entry by passing all the removed ones before it.
        self._waiting: OrderedDict[Key, Task] = OrderedDict()
        self._running: dict[Key, Task] = {}
        self._runs: dict[Key, _Run] = {}
        self._fulfilled = _Reported(clock, _DECISION_SECONDS)
        self._done = _Reported(clock, _ERRAND_SECONDS)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def remembered(self) -> int:
        """Return how many reported versions and actions are remembered."""
        return len(self._fulfilled) + len(self._done)

    def take_in(self, tasks: Iterable[Task]) -> bool:
        """Queue items in place of older ones; return whether any key was neither queued nor running.

        Items come from memory and from rows and may be outdated: one that is older than a known one of its
        key is ignored.
        """
        tasks = list(tasks)
        self._closed({task.key[0]: task.version for task in tasks if task.member is None})
        ready = {
            task.key: task for task in tasks if self._ready(task) is not None and not self._outdated(task)
        }
        news = any(key not in self._running and key not in self._waiting for key in ready)
        self._waiting.update(ready)
        return news

    def next(self) -> Task | None:
        """Return the next item whose key has none running, and count it as running; None if there is none."""
        while (key := next((key for key in self._waiting if key not in self._running), None)) is not None:
            # The item that was running when this one was queued may have done the same work.
            task = self._ready(self._waiting.pop(key))
            if task is not None:
                self._running[key] = task
                return task
        return None

    def ended(self, task: Task) -> None:
        """Record that an item is not running any more."""
        self._running.pop(task.key, None)

    def reported(self, task: Task, what: int | str) -> None:
        """Remember a reported version (int) or action id (str) until the decision on it is committed."""
        if isinstance(what, str):
            self._done.note((task.key, what), 0)
        else:
            self._fulfilled.note(task.key, what)
        self._runs.pop(task.key, None)

    def attempts(self, task: Task) -> int:
        """Return how often in a row the item's key has failed."""
        run = self._runs.get(task.key)
        return run.attempts if run is not None else 0

    def first(self, task: Task) -> bool:
        """Return whether a failure of this item's version would be its first."""
        run = self._runs.get(task.key)
        return run is None or run.version != task.version

    def failed(self, task: Task, *, retryable: bool, least: float = 0.0) -> float:
        """Hold the key back for at least `min_seconds`; return the delay in seconds.

        A refused call is retried as well: an operator may correct the API key or the clock.
        """
        attempts = self.attempts(task) + 1
        ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempts - 1, 10))
        rest = (ceiling if retryable else self._period) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        rest = max(least, rest)
        self._runs[task.key] = _Run(task.version, attempts, self._clock() + rest)
        return rest

    def drop(self, lanes: Collection[int]) -> None:
        """Drop these lanes' waiting items and all back-off, but keep what was reported."""
        self._keep(lambda task: task.room.lane not in lanes)
        self._runs.clear()

    def _closed(self, deletions: Mapping[str, int]) -> None:
        """Drop the items from before a room closed: the deletion of the LiveKit room does their work."""
        if deletions:
            self._keep(lambda task: task.member is None or task.version > deletions.get(task.key[0], -1))

    def _keep(self, wanted: Callable[[Task], bool]) -> None:
        self._waiting = OrderedDict((key, task) for key, task in self._waiting.items() if wanted(task))

    def _outdated(self, task: Task) -> bool:
        known = (self._waiting.get(task.key), self._running.get(task.key))
        return any(other is not None and task.version < other.version for other in known)

    def _ready(self, task: Task) -> Task | None:
        """Return the item without its reported work; None if nothing is left or while it is held back."""
        run = self._runs.get(task.key)
        if run is not None and task.version < run.version:
            return None
        if run is not None and task.version == run.version and self._clock() < run.rests_until:
            return None
        rights = task.rights and task.version > self._fulfilled.newest(task.key)
        errands = tuple(errand for errand in task.errands if self._done.newest((task.key, errand.id)) < 0)
        if not rights and not errands:
            return None
        if rights == task.rights and len(errands) == len(task.errands):
            return task
        return replace(task, rights=rights, errands=errands)
