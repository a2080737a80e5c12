"""Kills of the outbox peer's relay while it publishes: what at-least-once means for a reader."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import psutil  # type: ignore[import-untyped]

from bench import outcomes
from bench.environment import BenchRun
from bench.measurements import drain
from bench.peers import peer_drain
from bench.peers.catalog import OUTBOX_12
from bench.peers.outbox.consumer import RELAY_MODULE
from bench.peers.peer import PeerTraffic
from bench.result_shapes import RelayKillsResult
from bench.workload import traffic
from bench.workload.simulated_room import PlannedCommand
from cohost import audit
from stack.processes.process import Process

KILLS = 5
COMMANDS = 3_000

_LOOK_SECONDS = 0.002
_READ_SECONDS = 0.5
_LONGEST_SECONDS = 60


async def measure_relay_kills(run: BenchRun, seed: int) -> RelayKillsResult:
    """Drain, and kill the relay `KILLS` times, whenever records of it arrive."""
    commands = await drain.fill_topics(run, COMMANDS, seed)
    made = PeerTraffic(traffic.rooms_for(COMMANDS), seed, len(commands))
    async with peer_drain.watch_peer(OUTBOX_12, run, made, _LONGEST_SECONDS) as (process, progress):
        for _ in range(KILLS):
            published = await progress.count_decided()
            while await progress.count_decided() == published:
                peer_drain.check_alive(process)
                await asyncio.sleep(_LOOK_SECONDS)
            _kill_relay(process)
        found = await _wait_for_outcomes(run, commands)
    report = await audit.audit(run.bootstrap_servers, run.prefix)
    return summarize_kills(commands, found, len(report.violations))


def summarize_kills(
    commands: Sequence[PlannedCommand], found: Mapping[str, int], violations: int
) -> RelayKillsResult:
    """Return the result for these numbers of outcomes by command id."""
    counts = [found.get(command.id, 0) for command in commands]
    return {
        "kills": KILLS,
        "commands": len(commands),
        "without_outcome": counts.count(0),
        "with_several": sum(count > 1 for count in counts),
        "violations": violations,
    }


def _kill_relay(process: Process) -> None:
    for child in psutil.Process(process.pid).children(recursive=True):
        if RELAY_MODULE in child.cmdline():
            child.kill()


async def _wait_for_outcomes(run: BenchRun, commands: Sequence[PlannedCommand]) -> Counter[str]:
    """Return how many outcomes each command has, once each has one."""
    while True:
        found = Counter([outcomes.parse_outcome(record)[0] async for record in outcomes.read_records(run)])
        if len(found) >= len(commands):
            return found
        await asyncio.sleep(_READ_SECONDS)
