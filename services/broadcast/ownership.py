"""For which lanes this worker may act on the world outside."""

import time

from messaging.pipeline import Pipeline

_RECENT_SECONDS = 5.0


class Ownership:
    """The lanes that are ours, by the pipeline's last proof."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None

    def follow(self, pipeline: Pipeline) -> None:
        """Take the pipeline's word from now on."""
        self._pipeline = pipeline

    def lanes(self) -> list[int]:
        """Return the lanes for which we may act now."""
        return [lane for lane in (self._pipeline.lanes if self._pipeline else ()) if self.holds(lane)]

    def holds(self, lane: int) -> bool:
        """Say whether the lane was proved ours so recently that nobody else can act for it yet."""
        if self._pipeline is None or lane not in self._pipeline.lanes:
            return False
        return time.monotonic() - self._pipeline.confirmed(lane) < _RECENT_SECONDS
