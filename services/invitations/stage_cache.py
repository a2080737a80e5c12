"""Cache of the owned lanes: stages, and the users whose eligibility commands depend on."""

import math
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from messaging.lanes.cache import LaneCache
from services.invitations.domain.stage import Stage
from services.invitations.domain.state import User

_MAX_SIZE = 300_000
"""Stages, their invitations in memory, seats and last invitations that are kept between batches."""
_MAX_USER_BYTES = 120_000_000
# Measured, with the longest ids that there are.
_USER_BYTES, _BLOCKED_USER_BYTES = 600, 190
_USER_TTL_SECONDS = 0.5


class CachedUser(NamedTuple):
    """A user from a fact or from Postgres; reload it at `expires_at` (monotonic seconds).

    A user from a fact does not expire: this worker reads the later facts too, until it loses the user's lane.
    `hosts` are the users that were looked up in the list of blocked users; None means that all are known.
    """

    user: User
    expires_at: float = math.inf
    hosts: AbstractSet[str] | None = None

    def knows_hosts(self, hosts: AbstractSet[str]) -> bool:
        """Return whether it is known which of these hosts the user blocks."""
        return self.hosts is None or hosts <= self.hosts

    def estimate_bytes(self) -> int:
        """Return about the memory that the user takes, most of which may be the list of blocked users."""
        return _USER_BYTES + _BLOCKED_USER_BYTES * (len(self.user.blocked_user_ids) + len(self.hosts or ()))


class StageCache:
    """Stages by room id and users by user id; a user's lane is their partition of the users topic."""

    def __init__(self, max_size: int = _MAX_SIZE, max_user_bytes: int = _MAX_USER_BYTES) -> None:
        self.stages = LaneCache[Stage](max_size, Stage.count_entries)
        self.users = LaneCache[CachedUser](max_user_bytes, CachedUser.estimate_bytes)

    def mark_used(self, room_ids: Collection[str]) -> list[str]:
        """Mark rooms as used by the batch; return those that are not cached."""
        stages = self.stages
        missing = stages.mark_used(room_ids)
        for room_id in room_ids:
            stage = stages.get(room_id)
            if stage is not None:
                stage.enter_batch(stages.batch)
        return missing

    def add_stage(self, room_id: str, stage: Stage) -> None:
        """Add the stage of a room that was missing."""
        self.stages.put(room_id, stage.lane, stage)
        stage.enter_batch(self.stages.batch)

    def get_user(self, user_id: str) -> User | None:
        """Return a cached user, or None if unknown."""
        cached = self.users.get(user_id)
        return cached.user if cached is not None else None

    def expired_users(
        self, hosts_by_user: Mapping[str, AbstractSet[str]], now: float
    ) -> dict[str, AbstractSet[str]]:
        """Return the users that must be loaded: not cached, expired, or without one of these hosts."""
        users = self.users
        return {
            user_id: hosts
            for user_id, hosts in hosts_by_user.items()
            if (cached := users.get(user_id)) is None
            or cached.expires_at <= now
            or not cached.knows_hosts(hosts)
        }

    def put_users(
        self,
        hosts_by_user: Mapping[str, AbstractSet[str]],
        loaded: Mapping[str, tuple[User, int]],
        now: float,
    ) -> None:
        """Cache loaded users with their lanes; those not found stay unknown for this batch only."""
        for user_id in hosts_by_user:
            if user_id not in loaded:
                self.users.discard(user_id)
        for user_id, (user, lane) in loaded.items():
            self.users.put(user_id, lane, CachedUser(user, now + _USER_TTL_SECONDS, hosts_by_user[user_id]))

    def apply_user_fact(self, user_id: str, user: User, lane: int) -> None:
        """Cache a user by a fact of this batch, which is not committed yet."""
        self.users.put(user_id, lane, CachedUser(user))
