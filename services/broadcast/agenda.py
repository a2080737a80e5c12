"""What the reconciler has to do: the newest wish of each key, and what rests after a failure."""

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from services.broadcast.state import Errand, Member, Room
from services.broadcast.store import Pending
from services.broadcast.wakeup import Key

_FIRST_WAIT = 0.25
_LONGEST_WAIT = 5.0
_DECISION_SECONDS = 5.0
"""How long the decision on a fulfilled wish may take before it is fulfilled again, which is harmless."""

_ERRAND_SECONDS = 3600.0
"""How long the decision on an errand may take: doing it twice would mute who has just unmuted."""


@dataclass(frozen=True, slots=True)
class Task:
    """All that is to be done for a key. Without a member it is the LiveKit room that has to go."""

    room: Room
    member: Member | None = None
    rights: bool = True
    errands: tuple[Errand, ...] = ()

    @property
    def key(self) -> Key:
        """The room, and the user in it."""
        return (self.room.room_id, self.member.user_id if self.member is not None else "")

    @property
    def version(self) -> int:
        """The version of the wish."""
        return self.member.version if self.member is not None else self.room.deletion or 0


def of(pending: Pending) -> Task:
    """Return what is to be done for a member."""
    return Task(pending.room, pending.member, not pending.member.settled, pending.member.errands)


@dataclass(frozen=True, slots=True)
class _Run:
    """Failures in a row: of which wish the last was, and when it may be tried again."""

    version: int
    attempts: int
    rests_until: float


class Agenda:
    """Tasks that wait and tasks under way, at most one of each per key.

    `clock` is monotonic, in seconds. What cannot succeed as it is rests for `period` seconds.
    """

    def __init__(self, clock: Callable[[], float], period: float) -> None:
        self._clock = clock
        self._period = period
        # In a plain dict the next entry is found by passing all those before it that were taken out.
        self._waiting: OrderedDict[Key, Task] = OrderedDict()
        self._running: dict[Key, Task] = {}
        self._runs: dict[Key, _Run] = {}
        self._reported: dict[tuple[Key, int | str], float] = {}
        self._expiring: deque[tuple[Key, int | str]] = deque()
        self._expiring_errands: deque[tuple[Key, int | str]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def remembered(self) -> int:
        """How much of what was reported is remembered."""
        return len(self._reported)

    def take_in(self, tasks: Iterable[Task]) -> bool:
        """Let tasks wait, in the place of older ones; say whether any of them is news."""
        tasks = list(tasks)
        self._closed({task.key[0]: task.version for task in tasks if task.member is None})
        ready = {task.key: task for task in tasks if self._ready(task) is not None}
        news = any(key not in self._running and key not in self._waiting for key in ready)
        self._waiting.update(ready)
        return news

    def next(self) -> Task | None:
        """Return the next task whose key has none under way, which it then has."""
        while (key := next((key for key in self._waiting if key not in self._running), None)) is not None:
            # What was under way when this began to wait may have been the same.
            task = self._ready(self._waiting.pop(key))
            if task is not None:
                self._running[key] = task
                return task
        return None

    def ended(self, task: Task) -> None:
        """Note that a task is not under way any more."""
        self._running.pop(task.key, None)

    def reported(self, task: Task, what: int | str) -> None:
        """Note that a version is fulfilled, or an errand done: the decision on that may take a while."""
        errand = isinstance(what, str)
        expiring = self._expiring_errands if errand else self._expiring
        now = self._clock()
        while expiring and self._reported.get(expiring[0], 0.0) <= now:
            self._reported.pop(expiring.popleft(), None)
        self._reported[task.key, what] = now + (_ERRAND_SECONDS if errand else _DECISION_SECONDS)
        expiring.append((task.key, what))
        self._runs.pop(task.key, None)

    def attempts(self, task: Task) -> int:
        """Return how often in a row the task's key has failed."""
        run = self._runs.get(task.key)
        return run.attempts if run is not None else 0

    def first(self, task: Task) -> bool:
        """Say whether a failure of this wish would be its first."""
        run = self._runs.get(task.key)
        return run is None or run.version != task.version

    def failed(self, task: Task, *, retryable: bool, least: float = 0.0) -> float:
        """Let the key rest, at least for so long, and return for how long.

        A call that is refused may succeed later too: keys and clocks are set right by somebody.
        """
        attempts = self.attempts(task) + 1
        ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempts - 1, 10))
        rest = (ceiling if retryable else self._period) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        rest = max(least, rest)
        self._runs[task.key] = _Run(task.version, attempts, self._clock() + rest)
        return rest

    def drop(self, lanes: Collection[int]) -> None:
        """Forget what waits or rests for lanes that are somebody else's now, but not what was reported."""
        self._keep(lambda task: task.room.lane not in lanes)
        self._runs.clear()

    def _closed(self, deletions: Mapping[str, int]) -> None:
        """Forget what was wished in rooms before they closed: it goes with the LiveKit room."""
        if deletions:
            self._keep(lambda task: task.member is None or task.version > deletions.get(task.key[0], -1))

    def _keep(self, wanted: Callable[[Task], bool]) -> None:
        self._waiting = OrderedDict((key, task) for key, task in self._waiting.items() if wanted(task))

    def _ready(self, task: Task) -> Task | None:
        """Return what is left to do of a task: nothing while it rests, and nothing that is reported."""
        now = self._clock()
        if not self.first(task) and now < self._runs[task.key].rests_until:
            return None
        rights = task.rights and self._reported.get((task.key, task.version), 0.0) <= now
        errands = tuple(
            errand for errand in task.errands if self._reported.get((task.key, errand.id), 0.0) <= now
        )
        return replace(task, rights=rights, errands=errands) if rights or errands else None
