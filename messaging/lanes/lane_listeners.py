"""Listeners for the lanes that this worker acquires and releases, for effects outside the processor."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class LanesAcquiredListener(Protocol):
    """Implemented by an effect that starts to work when this worker acquires lanes."""

    async def on_lanes_acquired(self, lanes: Mapping[int, bool]) -> None:
        """Handle lanes that this worker acquired; the value is whether the last owner released the lane."""
        ...


@runtime_checkable
class LanesReleasingListener(Protocol):
    """Implemented by an effect that must stop acting for a lane before another worker owns it."""

    async def on_lanes_releasing(self, lanes: Collection[int]) -> None:
        """Finish or cancel every running effect of lanes that are about to be released."""
        ...


LaneListener = LanesAcquiredListener | LanesReleasingListener
"""An effect implements the protocols that it needs, one or both."""


class LaneListeners:
    """Calls the listeners in their order, each after the one before it is done."""

    def __init__(self, listeners: Iterable[LaneListener]) -> None:
        listeners = list(listeners)
        self._acquired = [each for each in listeners if isinstance(each, LanesAcquiredListener)]
        self._releasing = [each for each in listeners if isinstance(each, LanesReleasingListener)]

    async def notify_acquired(self, lanes: Mapping[int, bool]) -> None:
        """Call the listeners for acquired lanes; the values are whether the last owner released the lane."""
        for listener in self._acquired:
            await listener.on_lanes_acquired(lanes)

    async def notify_releasing(self, lanes: Collection[int]) -> None:
        """Call the listeners for lanes that are released once every listener has returned."""
        for listener in self._releasing:
            await listener.on_lanes_releasing(lanes)
