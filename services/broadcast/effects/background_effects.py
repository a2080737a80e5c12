"""All background effects of a worker."""

from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from services.broadcast.effects.pending_poller import PendingPoller
from services.broadcast.effects.reconciler import Reconciler
from services.broadcast.effects.resyncer import RoomResyncer
from services.broadcast.effects.sweeper import Sweeper


@dataclass(frozen=True, slots=True)
class BackgroundEffects:
    """The effects to run, and their listeners for the worker's lanes."""

    poller: PendingPoller
    reconciler: Reconciler
    resyncer: RoomResyncer
    sweeper: Sweeper

    @property
    def tasks(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """Return the coroutine functions that run until they are cancelled."""
        return self.poller.run, self.reconciler.run, self.resyncer.run, self.sweeper.run

    async def on_lanes_acquired(self, lanes: Mapping[int, bool]) -> None:
        """Look for the work of the lanes that were acquired."""
        await self.poller.on_lanes_acquired(lanes)
        await self.resyncer.on_lanes_acquired(lanes)

    async def on_lanes_releasing(self, lanes: Collection[int]) -> None:
        """Finish the work under way for the lanes."""
        await self.reconciler.on_lanes_releasing(lanes)
