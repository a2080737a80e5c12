"""Report of the peers beside the pipeline. It returns a line per wrong result, or an empty list."""

from argparse import Namespace
from collections.abc import Sequence
from functools import reduce

from bench import results_file, saved_data, tables
from bench.environment import BenchEnvironment
from bench.peers import catalog, peer_figures, peer_latency, relay_kills
from bench.peers.catalog import PIPELINE
from bench.peers.peer import Peer
from bench.peers.peer_drain import PeerExited
from bench.peers.peer_figures import PeerFigures
from bench.printing import PrintLine
from bench.result_shapes import PeerResult, PeersData, RelayKillsResult
from bench.results_file import round_figure
from stack import StartError

MOST_COMMANDS = 50_000
MOST_SECONDS = 6


async def report_peers(environment: BenchEnvironment, options: Namespace, print_line: PrintLine) -> list[str]:
    """Print what peers need for the same commands, with the pipeline before, between and after them.

    Without a drain of the pipeline there is nothing to compare with.
    """
    count, seconds = min(options.commands, MOST_COMMANDS), min(options.seconds, MOST_SECONDS)
    figures, failures = await _measure_drains(environment, count, options.seed, print_line)
    if not figures or figures[0].peer is not PIPELINE:
        return failures
    print_line(f"an open loop for {seconds} s, at {peer_latency.RATE} a second or what the peer holds …")
    figures = [
        await peer_figures.add_latency(environment, found, seconds, options.seed, print_line)
        for found in figures
    ]
    print_line(f"the outbox, its relay killed {relay_kills.KILLS} times while it publishes …")
    killed = await relay_kills.measure_relay_kills(await environment.create_run("peer"), options.seed)
    _print_tables(figures, print_line)
    print_line(f"{catalog.OUTBOX_12.name} after kills of its relay: {_format_kills(killed)}")
    data: PeersData = {
        "commands": count,
        "latency_rate": peer_latency.RATE,
        "peers": [describe_peer(found) for found in figures],
        "relay_kills": killed,
    }
    results_file.save_result("peers", data, environment, options)
    return [*failures, *(line for found in figures for line in found.wrong)]


async def _measure_drains(
    environment: BenchEnvironment, count: int, seed: int, print_line: PrintLine
) -> tuple[list[PeerFigures], list[str]]:
    """Return each peer's figures, the pipeline's three drains in one, and a line for each that failed."""
    order = await _installed([PIPELINE, *catalog.SLOW, PIPELINE, *catalog.FAST, PIPELINE], print_line)
    print_line("filling in the commands …")
    # The pipeline comes first, even if it is the first to fail: the others are compared with it.
    by_name: dict[str, list[PeerFigures]] = {PIPELINE.name: []}
    failures: list[str] = []
    for given in await peer_figures.fill_peers_topics(environment, order, count, seed):
        try:
            found = await peer_figures.measure_audited_drain(given, print_line)
        except (TimeoutError, PeerExited) as error:
            failures.append(f"{given.peer.name}: {error or 'did not drain its topics in time'}")
            print_line(f"  {failures[-1]}")
        else:
            by_name.setdefault(given.peer.name, []).append(found)
    return [reduce(PeerFigures.add, drains) for drains in by_name.values() if drains], failures


async def _installed(order: Sequence[Peer], print_line: PrintLine) -> list[Peer]:
    """Install or build what the peers need, and leave out those for which it cannot be had."""
    missing: set[str] = set()
    for peer in dict.fromkeys(order):
        try:
            await peer.install()
        except StartError as error:
            missing.add(peer.name)
            print_line(f"left out: {peer.name}: {str(error).splitlines()[0]}")
    return [peer for peer in order if peer.name not in missing]


def describe_peer(found: PeerFigures) -> PeerResult:
    """Return a peer's result as it is saved."""
    rate, held = found.held_latency
    return {
        "name": found.peer.name,
        "commands_per_second": round_figure(found.drained.per_second),
        "cpu_us": saved_data.describe_cpu(found.drained.cpu_microseconds),
        "latency_rate": rate,
        "p50_ms": None if held is None else round_figure(held.p50),
        "p99_ms": None if held is None else round_figure(held.p99),
        "guarantees": found.peer.guarantees,
        "note": f"{found.drained.commands} commands: {found.unexpected} other outcomes than expected, "
        f"{found.violations} violations in the audit",
    }


def _print_tables(figures: Sequence[PeerFigures], print_line: PrintLine) -> None:
    first = figures[0]
    print_line(
        "\nprocessor time of a command in µs, beside the pipeline's; latency in ms from due time to reader"
    )
    head = [
        *("", "commands/s", "times pipeline", "CPU: process", "Postgres", "Kafka", "all", "times pipeline"),
        *("at rate", "p50", "p99", "other outcomes", "violations"),
    ]
    print_line(tables.format_table(head, [_format_row(found, first) for found in figures]))
    print_line("")
    for found in figures:
        print_line(f"{found.peer.name}: {found.peer.guarantees}")
    for line in find_faster(figures):
        print_line(line)


def _format_row(found: PeerFigures, pipeline: PeerFigures) -> list[str]:
    drained, cost = found.drained, found.drained.cpu_microseconds
    speed = drained.per_second / pipeline.drained.per_second
    ratio = sum(cost) / sum(pipeline.drained.cpu_microseconds)
    rate, held = found.held_latency
    latency = ["-"] * 3 if held is None else [str(rate), f"{held.p50:.1f}", f"{held.p99:.1f}"]
    return [
        found.peer.name,
        tables.format_number(drained.per_second),
        f"{speed:.3f}",
        *map(tables.format_number, (*cost, sum(cost))),
        f"{ratio:.2f}",
        *latency,
        str(found.unexpected),
        str(found.violations),
    ]


def _format_kills(found: RelayKillsResult) -> str:
    return (
        f"of {found['commands']} commands {found['without_outcome']} without an outcome, "
        f"{found['with_several']} with more than one; {found['violations']} violations in the audit"
    )


def find_faster(figures: Sequence[PeerFigures]) -> list[str]:
    """Return a line for each peer that is better in a figure than the pipeline, which comes first."""
    own, *others = map(_named_figures, figures)
    lines = []
    for name, values in zip([found.peer.name for found in figures[1:]], others, strict=True):
        better = [
            f"{label} {value:.1f} instead of {own[label]:.1f}"
            for label, value in values.items()
            if label in own and value < own[label]
        ]
        if better:
            lines.append(f"better than the pipeline is {name} in: {', '.join(better)}")
    return lines


def _named_figures(found: PeerFigures) -> dict[str, float]:
    """Return figures of which a smaller one is better; latencies at another rate have another name."""
    cost = found.drained.cpu_microseconds
    named = {
        "µs of wall clock": 1e6 / found.drained.per_second,
        "µs of process": cost.worker,
        "µs of Postgres": cost.postgres,
        "µs of Kafka": cost.kafka,
        "µs in all": sum(cost),
    }
    rate, held = found.held_latency
    if held is not None:
        named |= {f"p50 at {rate}": held.p50, f"p99 at {rate}": held.p99}
    return named
