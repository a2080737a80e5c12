"""Latency of a peer in an open loop, at 1 000 commands a second or the highest rate that it holds."""

from bench.environment import BenchRun
from bench.ladder.open_loop_run import ROOMS, OpenLoopRun, RateResult
from bench.peers.peer import Peer, PeerTraffic
from bench.results_file import round_figure

RATE = 1_000

_SETTLE_SECONDS = 2
_TRIES = 4
_HELD_SHARE = 0.8
_NEXT_SHARE = 0.7


async def measure_latency(
    peer: Peer, run: BenchRun, capacity: float, seconds: float, seed: int
) -> RateResult:
    """Start a peer and measure it at the rate that a peer with this capacity should hold, or at a lower one.

    The first measurement does not count: until then a virtual machine has compiled most of what it runs.
    """
    rate = highest_rate(capacity)
    async with OpenLoopRun.open(run, seed) as loop:
        await loop.send_first()
        async with peer.launch(run, PeerTraffic(ROOMS, seed, 0)):
            await loop.drain()
            await loop.measure_rate(rate, _SETTLE_SECONDS)
            for _ in range(_TRIES):
                await loop.drain()
                found = await loop.measure_rate(rate, seconds)
                if found.latency is not None:
                    break
                rate = int(round_figure(_NEXT_SHARE * rate, 2))
    return found


def highest_rate(capacity: float) -> int:
    """Return the rate to measure a peer at that drains `capacity` commands a second."""
    return min(RATE, int(round_figure(_HELD_SHARE * capacity, 2)))
