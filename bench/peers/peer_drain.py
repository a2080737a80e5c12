"""Measurement of a peer that drains prefilled command topics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from bench import outcomes
from bench.environment import BenchRun
from bench.measurements import drain
from bench.peers.catalog import PIPELINE
from bench.peers.peer import Peer, PeerProgress, PeerTraffic
from bench.results import Measurement
from bench.workload.simulated_room import PlannedCommand
from stack.processes.process import Process

_LOOK_SECONDS = 0.025
_LONGEST_SECONDS = 90
# A virtual machine has compiled most of what it runs by then.
_WARM_UP_SHARE = 3


class PeerExited(Exception):
    """A peer's process exited unexpectedly; the text contains the end of its log."""


@contextlib.asynccontextmanager
async def watch_peer(
    peer: Peer, run: BenchRun, made: PeerTraffic, seconds: float
) -> AsyncIterator[tuple[Process, PeerProgress]]:
    """Start a peer and watch what it decides for the duration of the block, for `seconds` at most."""
    async with (
        peer.launch(run, made) as process,
        run.pipeline_config().kafka.open_admin() as admin,
        outcomes.open_consumer(run) as reader,
        asyncio.timeout(seconds),
    ):
        yield process, PeerProgress(peer, run, reader, admin)


async def measure_peer_drain(
    peer: Peer, run: BenchRun, made: PeerTraffic, commands: Sequence[PlannedCommand]
) -> Measurement:
    """Start a peer on filled topics and measure it; the first third of the commands is warm-up."""
    if peer is PIPELINE:
        return await drain.measure_drain(run, commands)
    async with watch_peer(peer, run, made, _LONGEST_SECONDS) as (process, progress):
        return await _watch_drain(run, process, progress, len(commands))


async def _watch_drain(run: BenchRun, process: Process, progress: PeerProgress, total: int) -> Measurement:
    first = await _wait_decided(process, progress, total // _WARM_UP_SHARE)
    measuring = run.start_measuring(process.pid)
    last = await _wait_decided(process, progress, total)
    return measuring.finish(last - first)


async def _wait_decided(process: Process, progress: PeerProgress, count: int) -> int:
    while (decided := await progress.count_decided()) < count:
        check_alive(process)
        await asyncio.sleep(_LOOK_SECONDS)
    return decided


def check_alive(process: Process) -> None:
    """Raise `PeerExited` if the process has exited."""
    if not process.is_alive:
        msg = f"the peer exited; the end of its log:\n{process.log_tail()}"
        raise PeerExited(msg)
