"""Figures of a peer: measured drains with their audit, then the latency."""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from bench import outcomes
from bench.environment import BenchEnvironment, BenchRun
from bench.ladder import rates
from bench.ladder.open_loop_run import RateResult
from bench.measurements import drain
from bench.measurements.latency import LatencyResult
from bench.peers import peer_drain, peer_latency
from bench.peers.peer import Peer, PeerTraffic
from bench.printing import PrintLine
from bench.results import Measurement
from bench.workload import traffic
from bench.workload.simulated_room import PlannedCommand
from cohost import audit

_SHOWN = 3


@dataclass(frozen=True)
class FilledRun:
    """New topics, filled with the commands for a peer."""

    peer: Peer
    run: BenchRun
    made: PeerTraffic
    commands: Sequence[PlannedCommand]


@dataclass(frozen=True)
class PeerFigures:
    """A peer's drains in one, its latency, and what is wrong with its outcomes.

    `unexpected` counts commands with another outcome than the expected one, `violations` those that the audit
    found; `wrong` has a line for each of both that the peer's guarantees exclude.
    """

    peer: Peer
    drained: Measurement
    unexpected: int
    violations: int
    wrong: tuple[str, ...]
    latency: RateResult | None = None

    @property
    def held_latency(self) -> tuple[int | None, LatencyResult | None]:
        """The rate of the last measurement and its latency; None for both if that rate was not held."""
        if self.latency is None or self.latency.latency is None:
            return None, None
        return self.latency.rate, self.latency.latency

    def add(self, other: "PeerFigures") -> "PeerFigures":
        """Return both as one."""
        return PeerFigures(
            self.peer,
            self.drained.add(other.drained),
            self.unexpected + other.unexpected,
            self.violations + other.violations,
            self.wrong + other.wrong,
        )


async def fill_peers_topics(
    environment: BenchEnvironment, peers: Sequence[Peer], count: int, seed: int
) -> list[FilledRun]:
    """Fill topics for each of the peers, all at once: some commands need a wait, and so they share it."""

    async def fill(peer: Peer, run: BenchRun) -> FilledRun:
        share = min(count, peer.max_commands)
        commands = await drain.fill_topics(run, share, seed)
        made = PeerTraffic(traffic.rooms_for(share), seed, len(commands))
        return FilledRun(peer, run, made, commands)

    runs = [await environment.create_run("peer") for _ in peers]
    return await asyncio.gather(*map(fill, peers, runs))


async def measure_audited_drain(given: FilledRun, print_line: PrintLine) -> PeerFigures:
    """Let a peer drain its topics, and compare and audit what it wrote."""
    run = given.run
    measured = await peer_drain.measure_peer_drain(given.peer, run, given.made, given.commands)
    unexpected = outcomes.find_unexpected(given.commands, await outcomes.read_outcomes(run))
    report = await audit.audit(run.bootstrap_servers, run.prefix)
    print_line(
        f"  {given.peer.name}: {measured.per_second:.0f} a second; {len(unexpected)} other outcomes; "
        f"audit: {report.commands} commands, {report.outcomes} outcomes, {len(report.violations)} violations"
    )
    lines = [*unexpected, *report.violations]
    for line in lines[:_SHOWN]:
        print_line(f"    {line}")
    wrong = tuple(f"{given.peer.name}: {line}" for line in lines) if given.peer.is_ordered else ()
    return PeerFigures(given.peer, measured, len(unexpected), len(report.violations), wrong)


async def add_latency(
    environment: BenchEnvironment, found: PeerFigures, seconds: float, seed: int, print_line: PrintLine
) -> PeerFigures:
    """Return the figures with the latency at a rate that the drained topics suggest."""
    run = await environment.create_run("peer")
    try:
        measured = await peer_latency.measure_latency(
            found.peer, run, found.drained.per_second, seconds, seed
        )
    except TimeoutError:
        failure = f"{found.peer.name}: did not answer in an open loop"
        print_line(f"  {failure}")
        return dataclasses.replace(found, wrong=(*found.wrong, failure))
    print_line(f"  {found.peer.name}: {rates.describe_rate(measured)}")
    return dataclasses.replace(found, latency=measured)
