"""Cache of the owned lanes: stages, and the users that commands depend on."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.invitations.domain.stage import Stage
from services.invitations.domain.state import User

_MAX_SIZE = 300_000
"""Stages, pending invitations, seats and last invitations that are kept between batches."""
_MAX_USERS = 200_000
_USER_TTL_SECONDS = 0.5
_COMMITTED_BATCH = -2


class CachedUser(NamedTuple):
    """A user from Postgres or from a fact of `batch`; reload it at `expires_at` (monotonic seconds).

    `lane` is the user's partition of the users topic.
    """

    user: User
    lane: int
    expires_at: float
    batch: int


@dataclass(slots=True)
class StageCache:
    """Stages by room id and users by user id, the least recently used first.

    `batch` counts the batches. What the last batch used may not be committed yet and is never evicted.
    """

    max_size: int = _MAX_SIZE
    max_users: int = _MAX_USERS
    batch: int = 0
    stages: dict[str, Stage] = field(default_factory=dict)
    users: dict[str, CachedUser] = field(default_factory=dict)
    size: int = 0

    def mark_used(self, room_ids: Iterable[str]) -> list[str]:
        """Mark rooms as used by the batch; return those that are not cached."""
        missing = []
        for room_id in room_ids:
            stage = self.stages.pop(room_id, None)
            if stage is None:
                missing.append(room_id)
            else:
                self.stages[room_id] = stage
                stage.enter_batch(self.batch)
        return missing

    def add_stage(self, room_id: str, stage: Stage) -> None:
        """Add the stage of a room that was missing."""
        self.stages[room_id] = stage
        stage.enter_batch(self.batch)

    def get_user(self, user_id: str) -> User | None:
        """Return a cached user, or None if unknown."""
        cached = self.users.get(user_id)
        return cached.user if cached is not None else None

    def expired_users(self, user_ids: Iterable[str], now: float) -> list[str]:
        """Return the users that must be loaded: not cached, or expired and committed."""
        users, batch = self.users, self.batch
        return [
            user_id
            for user_id in user_ids
            if (cached := users.get(user_id)) is None
            or (cached.expires_at <= now and cached.batch < batch - 1)
        ]

    def put_users(self, user_ids: Iterable[str], loaded: Mapping[str, tuple[User, int]], now: float) -> None:
        """Cache loaded users with their lanes; those not found stay unknown for this batch only."""
        for user_id in user_ids:
            self.users.pop(user_id, None)
        for user_id, (user, lane) in loaded.items():
            self.users[user_id] = CachedUser(user, lane, now + _USER_TTL_SECONDS, _COMMITTED_BATCH)

    def apply_user_fact(self, user_id: str, user: User, lane: int, now: float) -> None:
        """Cache a user by a fact of this batch, which is not committed yet."""
        self.users.pop(user_id, None)
        self.users[user_id] = CachedUser(user, lane, now + _USER_TTL_SECONDS, self.batch)

    def evict_excess(self) -> None:
        """Evict what exceeds the limits, sparing what the last batch used; then start the next batch."""
        for stage in reversed(self.stages.values()):
            if stage.last_batch != self.batch:
                break
            self.size += stage.update_size()
        while self.size > self.max_size and self._evict_stage():
            pass
        while len(self.users) > self.max_users and self._evict_user():
            pass
        self.batch += 1

    def _evict_stage(self) -> bool:
        room_id, stage = next(iter(self.stages.items()))
        if stage.last_batch == self.batch:
            return False
        del self.stages[room_id]
        self.size -= stage.size
        return True

    def _evict_user(self) -> bool:
        user_id, cached = next(iter(self.users.items()))
        if cached.batch == self.batch:
            return False
        del self.users[user_id]
        return True

    def drop_lanes(self, lanes: Collection[int]) -> None:
        """Drop all stages and users of these lanes."""
        self.stages = {key: stage for key, stage in self.stages.items() if stage.lane not in lanes}
        self.users = {key: cached for key, cached in self.users.items() if cached.lane not in lanes}
        self.size = sum(stage.size for stage in self.stages.values())
