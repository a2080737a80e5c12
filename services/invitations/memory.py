"""Cache of the owned lanes: stages, and the users that commands depend on."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.invitations.stage import Stage
from services.invitations.state import User

_WEIGHT = 300_000
"""Stages, pending invitations, seats and last invitations that are kept between batches."""
_USERS = 200_000
_USER_SECONDS = 0.5
_STORED = -2


class Known(NamedTuple):
    """A user from Postgres or from a fact of `batch`; reload it at `expires_at` (monotonic seconds).

    `lane` is the user's partition of the users topic.
    """

    user: User
    lane: int
    until: float
    batch: int


@dataclass(slots=True)
class Memory:
    """Stages by room id and users by user id, the least recently used first.

    `batch` counts the batches. What the last batch used may not be committed yet and is never evicted.
    """

    weight_limit: int = _WEIGHT
    users_limit: int = _USERS
    batch: int = 0
    stages: dict[str, Stage] = field(default_factory=dict)
    users: dict[str, Known] = field(default_factory=dict)
    weight: int = 0

    def touch(self, room_ids: Iterable[str]) -> list[str]:
        """Mark rooms as used by the batch; return those that are not cached."""
        missing = []
        for room_id in room_ids:
            stage = self.stages.pop(room_id, None)
            if stage is None:
                missing.append(room_id)
            else:
                self.stages[room_id] = stage
                stage.touch(self.batch)
        return missing

    def add(self, room_id: str, stage: Stage) -> None:
        """Add the stage of a room that was missing."""
        self.stages[room_id] = stage
        stage.touch(self.batch)

    def user(self, user_id: str) -> User | None:
        """Return a cached user, or None if unknown."""
        known = self.users.get(user_id)
        return known.user if known is not None else None

    def stale(self, user_ids: Iterable[str], now: float) -> list[str]:
        """Return the users that must be loaded: not cached, or expired and committed."""
        users, batch = self.users, self.batch
        return [
            user_id
            for user_id in user_ids
            if (known := users.get(user_id)) is None or (known.until <= now and known.batch < batch - 1)
        ]

    def learn(self, user_ids: Iterable[str], found: Mapping[str, tuple[User, int]], now: float) -> None:
        """Cache loaded users with their lanes; those not found stay unknown for this batch only."""
        for user_id in user_ids:
            self.users.pop(user_id, None)
        for user_id, (user, lane) in found.items():
            self.users[user_id] = Known(user, lane, now + _USER_SECONDS, _STORED)

    def tell(self, user_id: str, user: User, lane: int, now: float) -> None:
        """Cache a user by a fact of this batch, which is not committed yet."""
        self.users.pop(user_id, None)
        self.users[user_id] = Known(user, lane, now + _USER_SECONDS, self.batch)

    def trim(self) -> None:
        """Evict what exceeds the limits, sparing what the last batch used; then start the next batch."""
        for stage in reversed(self.stages.values()):
            if stage.touched != self.batch:
                break
            self.weight += stage.weigh()
        while self.weight > self.weight_limit and self._drop_stage():
            pass
        while len(self.users) > self.users_limit and self._drop_user():
            pass
        self.batch += 1

    def _drop_stage(self) -> bool:
        room_id, stage = next(iter(self.stages.items()))
        if stage.touched == self.batch:
            return False
        del self.stages[room_id]
        self.weight -= stage.weight
        return True

    def _drop_user(self) -> bool:
        user_id, known = next(iter(self.users.items()))
        if known.batch == self.batch:
            return False
        del self.users[user_id]
        return True

    def forget(self, lanes: Collection[int]) -> None:
        """Drop all stages and users of these lanes."""
        self.stages = {key: stage for key, stage in self.stages.items() if stage.lane not in lanes}
        self.users = {key: known for key, known in self.users.items() if known.lane not in lanes}
        self.weight = sum(stage.weight for stage in self.stages.values())
