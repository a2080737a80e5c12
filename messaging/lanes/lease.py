"""The lease on lanes: the right to act for a lane outside the pipeline."""

import time
from collections.abc import Collection
from typing import Protocol

_VALID_SECONDS = 5.0


class LaneOwner(Protocol):
    """A session: the lanes that it owns and reads, and when it last proved that it owns them."""

    @property
    def owned_lanes(self) -> Collection[int]:
        """Return the lanes that are owned and read now."""
        ...

    def lease_renewed_at(self, lane: int) -> float:
        """Return `time.monotonic()` of the lane's last lease renewal, or 0.0 if the lane is not owned."""
        ...


class LaneLease:
    """The lanes whose ownership was proved recently.

    The pipeline writes it, session by session. Background effects read it and need no pipeline for that.
    """

    def __init__(self) -> None:
        self._owner: LaneOwner | None = None

    def start_session(self, owner: LaneOwner) -> None:
        """Lease the lanes of this session from now on."""
        self._owner = owner

    def end_session(self) -> None:
        """End the lease on all lanes."""
        self._owner = None

    @property
    def owned_lanes(self) -> frozenset[int]:
        """Return the lanes that are owned and read now, recently proved or not."""
        return frozenset(self._owner.owned_lanes) if self._owner is not None else frozenset()

    def valid_lanes(self) -> list[int]:
        """Return the lanes whose lease is valid now."""
        return [lane for lane in self.owned_lanes if self.is_valid(lane)]

    def is_valid(self, lane: int) -> bool:
        """Return whether our lease on the lane is still valid, so that no other worker can act for it yet."""
        if self._owner is None or lane not in self._owner.owned_lanes:
            return False
        return time.monotonic() - self._owner.lease_renewed_at(lane) < _VALID_SECONDS
