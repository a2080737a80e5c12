"""The interface by which the show acts on Co-Host and observes it: over Kafka, or over HTTP alone."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from cohost.commands.methods import CommandMethods
from cohost.facts import FactMethods
from demo.timeline import Timeline


@dataclass(frozen=True)
class DemoEnvironment:
    """Addresses and secrets of the servers, the services and the gateway."""

    kafka: str
    invitations_url: str
    broadcast_url: str
    gateway_url: str
    jwt_secret: str
    livekit_url: str
    livekit_key: str
    livekit_secret: str


@dataclass(frozen=True)
class OutcomeReport:
    """What a second look at every command's outcome found; `evidence` is empty without a command."""

    violations: list[str]
    evidence: str


class ShowClient(CommandMethods, FactMethods, ABC):
    """Commands with their outcomes, facts, reads and the events of a room."""

    @abstractmethod
    def read_urls(self, environment: DemoEnvironment) -> tuple[str, str]:
        """Return the URLs at which invitations' and broadcast's reads are asked for."""

    @abstractmethod
    def follow_room(self, room_id: str, timeline: Timeline) -> AbstractAsyncContextManager[None]:
        """Record the events and badges of a room that exists, from now on, during the block."""

    @abstractmethod
    async def verify_outcomes(self) -> OutcomeReport:
        """Verify that every command so far has exactly one outcome."""


@contextlib.asynccontextmanager
async def run_readers(timeline: Timeline, *readers: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the readers during the block; a failure of one is printed at its end."""
    running = [asyncio.create_task(reader) for reader in readers]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        for ended in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(ended, Exception):
                timeline.print_failure(f"reading the events failed: {ended!r}")
