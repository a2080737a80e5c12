"""A service that is killed at failpoints around its LiveKit calls, and the consistency check afterwards."""

import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from cohost import audit
from cohost_schemas import topics
from tests.broadcast.e2e.house import House, until
from tests.broadcast.e2e.proxy import Hold, Proxy
from tests.broadcast.e2e.show import agreed, told
from tests.broadcast.e2e.worker import FOLDER

SERVICE = "tests.broadcast.e2e.worker"
SETTINGS = {
    "COHOST_SESSION_TIMEOUT_MS": "1500",
    "COHOST_LIVEKIT_TIMEOUT_SECONDS": "1.5",
    "COHOST_COMPARISON_SECONDS": "3600",
}
OUTPUTS = (
    topics.BROADCAST_EVENTS,
    topics.BROADCAST_REJECTIONS,
    topics.BROADCAST_DEAD_LETTERS,
    topics.BADGES,
    topics.BROADCAST_COMMANDS,
)


def points(*calls: str, report: str) -> list[str]:
    """Return the failpoints before, in and after each of these calls, and after the report of the result."""
    around = [
        point
        for call in calls
        for point in (f"before {call}", f"in {call}, not done", f"in {call}, done", f"after {call}")
    ]
    return [*around, f"after {report}"]


@dataclass
class Mortal:
    """A service with failpoints, and the proxy between it and LiveKit."""

    house: House
    proxy: Proxy
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = Path(self.house.settings[FOLDER])

    def arm(self, point: str, about: str, action: str = "SIGKILL") -> Path:
        """Make the service send itself a signal, or wait, at a failpoint; return the file marking the hit."""
        (self.folder / point).write_text(f"{action} {about}")
        return self.folder / f"{point}.reached"

    @contextlib.asynccontextmanager
    async def killed(self, point: str, about: str) -> AsyncIterator[Hold | None]:
        """Kill the service when the block makes it reach a failpoint, then start it again.

        A call held back from LiveKit is forwarded once the service is dead.
        """
        async with self.dead(point, about) as hold:
            yield hold
        if hold is not None:
            hold.let_go.set()
        await self.revive()

    @contextlib.asynccontextmanager
    async def dead(self, point: str, about: str) -> AsyncIterator[Hold | None]:
        """Kill the service when the block makes it reach a failpoint."""
        if point.startswith("in "):
            call, _, state = point.removeprefix("in ").partition(", ")
            hold = self.proxy.hold(call, "" if about == "all" else about, answered=state == "done")
            yield hold
            await until(hold.reached.is_set)
            assert await self.house.stop(signal.SIGKILL) == -signal.SIGKILL
        else:
            reached = self.arm(point, about)
            yield None
            await until(reached.exists)
            assert await self.house.stop(signal.SIGCONT) == -signal.SIGKILL
            reached.unlink()

    async def revive(self) -> None:
        """Start the service again and wait until it is ready."""
        self.house.start()
        await self.house.ready()

    async def sound(self, room_id: str) -> None:
        """Assert that the audit finds no violation and that LiveKit matches the stage."""
        service = self.house
        await until(lambda: agreed(service, room_id))
        assert max(told(service).values(), default=0) <= 1
        report = await audit.audit(service.endpoints.kafka, service.endpoints.prefix)
        ours = tuple(topic.full_name(service.endpoints.prefix) for topic in OUTPUTS)
        assert [found for found in report.violations if any(name in found for name in ours)] == []
