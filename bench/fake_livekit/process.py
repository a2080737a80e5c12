"""Starts, queries and stops the fake LiveKit server."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from bench.fake_livekit import server
from stack import ports

ANSWER_SECONDS = 0.005
ANSWER_JITTER = 0.002

_END_SECONDS = 5
_LONGEST_LINE = 64 * 1024 * 1024

ParticipantKey = tuple[str, str]
"""A room id and the identity of a participant in it."""


@dataclass(frozen=True)
class ParticipantState:
    """A participant's permissions by LiveKit's names, and the time of the answer to each update."""

    permissions: tuple[str, ...]
    answered_at: Sequence[float]


@dataclass(frozen=True)
class FakeLiveKitState:
    """The calls that the fake server received.

    `overlaps` counts the updates that arrived while another update of the same participant was in progress.
    """

    calls: Mapping[str, int]
    overlaps: int
    participants: Mapping[ParticipantKey, ParticipantState]


class FakeLiveKitProcess:
    """A running fake LiveKit server."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.url = f"http://{server.ADDRESS}:{port}"

    @property
    def pid(self) -> int:
        """The pid of its process."""
        return self._process.pid

    async def read_state(self) -> FakeLiveKitState:
        """Return the calls received so far. Raises `RuntimeError` if the server has exited."""
        if self._process.stdin is None or self._process.stdout is None:
            raise LookupError
        self._process.stdin.write(b"\n")
        if not (line := await self._process.stdout.readline()):
            msg = "the fake LiveKit server exited"
            raise RuntimeError(msg)
        report = json.loads(line)
        holders = {
            (room_id, identity): ParticipantState(tuple(permission), answered)
            for room_id, identity, permission, answered in report["participants"]
        }
        return FakeLiveKitState(report["calls"], report["overlaps"], holders)


@contextlib.asynccontextmanager
async def run_fake_livekit(rooms: Sequence[str], seed: int) -> AsyncIterator[FakeLiveKitProcess]:
    """Run a fake LiveKit server with these rooms for the duration of the block."""
    port = ports.reserve_port()
    options = {"port": port, "rooms": rooms, "seed": seed, "seconds": ANSWER_SECONDS, "jitter": ANSWER_JITTER}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.fake_livekit.server", json.dumps(options)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        stand_in = FakeLiveKitProcess(process, port)
        # It answers once it is listening.
        await stand_in.read_state()
        yield stand_in
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        ports.release_ports(port)
