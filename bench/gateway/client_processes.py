"""Starts, asks and ends the processes with the streams' clients."""

import asyncio
import contextlib
import json
import sys
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

PROCESSES = 2

_END_SECONDS = 10
_LONGEST_LINE = 64 * 1024


class Deliveries(NamedTuple):
    """The number of each event that came to a client, when it came, and what went wrong."""

    numbers: Sequence[int]
    times: Sequence[float]
    errors: Mapping[str, int]


class ClientProcesses:
    """Running processes whose clients are all connected."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    async def count_deliveries(self) -> int:
        """Return the number of events that came to clients so far."""
        counts = []
        for process in self._processes:
            _stdin(process).write(b"\n")
            counts.append(int(await _read_line(process)))
        return sum(counts)

    async def finish(self) -> Deliveries:
        """Disconnect all clients and return what came to them."""
        numbers, times, errors = array("I"), array("d"), Counter[str]()
        for process in self._processes:
            _stdin(process).close()
            count, wrong = await _read_line(process)
            errors.update(wrong)
            for entries in (numbers, times):
                entries.frombytes(await _stdout(process).readexactly(count * entries.itemsize))
        return Deliveries(numbers, times, errors)


@contextlib.asynccontextmanager
async def run_clients(
    host: str, port: int, rooms: Sequence[tuple[bytes, int]]
) -> AsyncIterator[ClientProcesses]:
    """Connect clients for the duration of the block: for each room its request, and their number."""
    async with contextlib.AsyncExitStack() as stack:
        processes = []
        for part in range(PROCESSES):
            process = await stack.enter_async_context(_run_process())
            options = {
                "host": host,
                "port": port,
                "rooms": [(request.decode(), number) for request, number in rooms[part::PROCESSES]],
            }
            _stdin(process).write(json.dumps(options).encode() + b"\n")
            processes.append(process)
        for process in processes:
            await _read_line(process)
        yield ClientProcesses(processes)


@contextlib.asynccontextmanager
async def _run_process() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.gateway.stream_clients"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        yield process
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _read_line(process: asyncio.subprocess.Process) -> Any:
    if not (line := await _stdout(process).readline()):
        msg = "a process with clients of streams exited"
        raise RuntimeError(msg)
    return json.loads(line)


def _stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    return process.stdin


def _stdout(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    return process.stdout
