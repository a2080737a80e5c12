"""A service that is killed at failpoints around its LiveKit calls, and the consistency check afterwards."""

import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from cohost import audit
from cohost_schemas import topics
from tests.broadcast.e2e.broadcast_failpoints import FAILPOINTS_FOLDER
from tests.broadcast.e2e.livekit_proxy import HeldCall, LiveKitProxy
from tests.broadcast.e2e.scenario_steps import grant_event_counts, livekit_matches_stage
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, wait_until

SERVICE = "tests.broadcast.e2e.broadcast_failpoints"
SETTINGS = {
    "COHOST_SESSION_TIMEOUT_MS": "1500",
    # The service must not give a call up before the test has killed it.
    "COHOST_LIVEKIT_TIMEOUT_SECONDS": "5",
    "COHOST_COMPARISON_SECONDS": "3600",
}
CHECKED_TOPICS = (
    topics.BROADCAST_EVENTS,
    topics.BROADCAST_REJECTIONS,
    topics.BROADCAST_DEAD_LETTERS,
    topics.BADGES,
    topics.BROADCAST_COMMANDS,
)


def failpoints_around(*calls: str, report: str) -> list[str]:
    """Return the failpoints before, in and after each of these calls, and after the report of the result."""
    around = [
        point
        for call in calls
        for point in (f"before {call}", f"in {call}, not done", f"in {call}, done", f"after {call}")
    ]
    return [*around, f"after {report}"]


@dataclass
class KillableService:
    """A service with failpoints, and the proxy between it and LiveKit."""

    service: ServiceUnderTest
    proxy: LiveKitProxy
    failpoints_folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.failpoints_folder = Path(self.service.settings[FAILPOINTS_FOLDER])

    def arm_failpoint(self, point: str, about: str, action: str = "SIGKILL") -> Path:
        """Make the service send itself a signal, or wait, at a failpoint; return the file marking the hit."""
        # The service must not read the file before it is complete.
        written = self.failpoints_folder / f"{point}.written"
        written.write_text(f"{action} {about}")
        written.rename(self.failpoints_folder / point)
        return self.failpoints_folder / f"{point}.reached"

    @contextlib.asynccontextmanager
    async def restarted_after_kill(self, point: str, about: str) -> AsyncIterator[HeldCall | None]:
        """Kill the service when the block makes it reach a failpoint, then start it again.

        A call held back from LiveKit is forwarded once the service is dead.
        """
        async with self.killed_at(point, about) as hold:
            yield hold
        if hold is not None:
            hold.release.set()
        await self.restart()

    @contextlib.asynccontextmanager
    async def killed_at(self, point: str, about: str) -> AsyncIterator[HeldCall | None]:
        """Kill the service when the block makes it reach a failpoint."""
        if point.startswith("in "):
            call, _, state = point.removeprefix("in ").partition(", ")
            hold = self.proxy.hold_call(call, "" if about == "all" else about, after_answer=state == "done")
            yield hold
            await wait_until(hold.reached.is_set)
            assert await self.service.stop_process(signal.SIGKILL) == -signal.SIGKILL
        else:
            reached = self.arm_failpoint(point, about)
            yield None
            await wait_until(reached.exists)
            assert await self.service.stop_process(signal.SIGCONT) == -signal.SIGKILL
            reached.unlink()

    async def restart(self) -> None:
        """Start the service again and wait until it is ready."""
        self.service.start_process()
        await self.service.wait_until_ready()

    async def assert_consistent(self, room_id: str) -> None:
        """Assert that the audit finds no violation and that LiveKit matches the stage."""
        service = self.service
        await wait_until(lambda: livekit_matches_stage(service, room_id))
        assert max(grant_event_counts(service).values(), default=0) <= 1
        report = await audit.audit(service.endpoints.kafka, service.endpoints.prefix)
        topic_names = tuple(topic.full_name(service.endpoints.prefix) for topic in CHECKED_TOPICS)
        assert [found for found in report.violations if any(name in found for name in topic_names)] == []
