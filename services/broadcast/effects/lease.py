"""The lease on lanes: the right to act outside the pipeline for a lane."""

import time

from messaging.pipeline import Pipeline

_VALID_SECONDS = 5.0


class LaneLease:
    """The lanes whose ownership the pipeline proved recently."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None

    def use_pipeline(self, pipeline: Pipeline) -> None:
        """Use this pipeline's lanes from now on; until then no lease is valid."""
        self._pipeline = pipeline

    def valid_lanes(self) -> list[int]:
        """Return the lanes whose lease is valid now."""
        return [
            lane for lane in (self._pipeline.owned_lanes if self._pipeline else ()) if self.is_valid(lane)
        ]

    def is_valid(self, lane: int) -> bool:
        """Return whether our lease on the lane is still valid, so that no other worker can act for it yet."""
        if self._pipeline is None or lane not in self._pipeline.owned_lanes:
            return False
        return time.monotonic() - self._pipeline.lease_renewed_at(lane) < _VALID_SECONDS
