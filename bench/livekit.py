"""The stand-in for LiveKit, started, asked and ended."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from bench import standin
from stack import ports

SECONDS = 0.005
JITTER = 0.002

_END_SECONDS = 5
_LONGEST_LINE = 64 * 1024 * 1024

Key = tuple[str, str]
"""A room and the identity of somebody in it."""


@dataclass(frozen=True)
class Holder:
    """What somebody may do by LiveKit's names, and when each update of it was answered."""

    permission: tuple[str, ...]
    answered: Sequence[float]


@dataclass(frozen=True)
class State:
    """What the stand-in was asked for; `overlaps` are updates that came while another of their key lasted."""

    calls: Mapping[str, int]
    overlaps: int
    holders: Mapping[Key, Holder]


class StandIn:
    """A running stand-in."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.url = f"http://{standin.ADDRESS}:{port}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def state(self) -> State:
        """Return what it was asked for so far."""
        if self._process.stdin is None or self._process.stdout is None:
            raise LookupError
        self._process.stdin.write(b"\n")
        if not (line := await self._process.stdout.readline()):
            msg = "the stand-in for LiveKit ended"
            raise RuntimeError(msg)
        said = json.loads(line)
        holders = {
            (room_id, identity): Holder(tuple(permission), answered)
            for room_id, identity, permission, answered in said["participants"]
        }
        return State(said["calls"], said["overlaps"], holders)


@contextlib.asynccontextmanager
async def started(rooms: Sequence[str], seed: int) -> AsyncIterator[StandIn]:
    """Start a stand-in that has these rooms, and end it at the end."""
    port = ports.choose()
    options = {"port": port, "rooms": rooms, "seed": seed, "seconds": SECONDS, "jitter": JITTER}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.standin", json.dumps(options)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        stand_in = StandIn(process, port)
        # It answers once it serves.
        await stand_in.state()
        yield stand_in
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        ports.give_back(port)
