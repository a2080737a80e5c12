"""Reports of the hot room, the numbers of workers and the comparison with LiveKit, each with its series."""

from collections.abc import Sequence
from typing import NamedTuple

from bench import tables
from bench.environment import BenchEnvironment
from bench.growth import comparison, hot_room, worker_counts
from bench.printing import PrintLine
from bench.result_shapes import GrowthSeries
from bench.results_file import round_figure


class GrowthPart(NamedTuple):
    """A part of the saved result, and the lines about wrong results."""

    series: Sequence[GrowthSeries]
    notes: Sequence[str]
    wrong: Sequence[str] = ()


async def report_hot_room(environment: BenchEnvironment, seed: int, print_line: PrintLine) -> GrowthPart:
    """Print what a crowded room that gets a fifth of the commands costs."""
    print_line(
        f"{hot_room.SHARE:.0%} of the commands to a room with {hot_room.PENDING} pending invitations …"
    )
    found = await hot_room.measure_hot_room(environment, seed)
    usual, hot = found.median_costs()
    latencies = (found.usual_latency, found.hot_latency)
    rows = [
        [name, f"{cost:.1f}", *(f"{ms:.0f}" for ms in (waits.p50, waits.p99))]
        for name, cost, waits in zip(("without it", "with it"), (usual, hot), latencies, strict=True)
    ]
    print_line(tables.format_table(["hot room", "µs of a command", "p50 ms", "p99 ms"], rows))
    note = (
        f"A room with {hot_room.PENDING} pending invitations that gets {hot_room.SHARE:.0%} of the commands: "
        f"a command costs {hot / usual:.2f} times as much; p99 at {hot_room.RATE} a second "
        f"{latencies[1].p99:.0f} ms, without it {latencies[0].p99:.0f} ms. "
        "Commands cannot send more than 1000 to a room: the rest was stored."
    )
    return GrowthPart((), (note,), found.unexpected)


async def report_worker_counts(environment: BenchEnvironment, seed: int, print_line: PrintLine) -> GrowthPart:
    """Print what several workers drain in a second, and what a command costs then."""
    print_line(f"{', '.join(map(str, worker_counts.COUNTS))} workers …")
    found = await worker_counts.measure_worker_counts(environment, seed)
    rates = {count: worker_counts.median_rate(rounds) for count, rounds in found.items()}
    costs = {count: worker_counts.median_cost(rounds) for count, rounds in found.items()}
    rows = [[str(count), tables.format_number(rates[count]), f"{costs[count]:.1f}"] for count in found]
    print_line(tables.format_table(["workers", "commands/s", "µs of a command"], rows))
    return GrowthPart(
        (
            _series("commands per second", "workers", "commands/s", rates),
            _series("a command by several workers", "workers", "µs/command", costs),
        ),
        (),
    )


async def report_comparison(environment: BenchEnvironment, seed: int, print_line: PrintLine) -> GrowthPart:
    """Print the calls and the processor time of comparing open rooms with LiveKit."""
    found = {}
    rows = []
    for rooms in comparison.ROOMS:
        print_line(f"comparing {rooms} open rooms with LiveKit …")
        found[rooms] = await comparison.measure_comparison(environment, rooms, seed)
        shares = found[rooms].processor_shares
        own = found[rooms].livekit_cpu / found[rooms].seconds
        rows.append(
            [
                *(str(rooms), f"{found[rooms].calls_per_second:.0f}"),
                *(f"{share:.1%}" for share in (*shares, own)),
                f"{comparison.shortest_period(rooms):.0f}",
            ]
        )
    head = [
        "rooms",
        "calls/s",
        "processor: worker",
        "Postgres",
        "Kafka",
        "fake LiveKit",
        "period s for Cloud",
    ]
    print_line(tables.format_table(head, rows))
    note = (
        f"Each open room is one call to LiveKit every {comparison.PERIOD_SECONDS} s. LiveKit Cloud allows a "
        f"project {comparison.CLOUD_CALLS_A_MINUTE} calls a minute: with 10 000 open rooms it takes "
        f"COHOST_COMPARISON_SECONDS of at least {comparison.shortest_period(10_000):.0f}, or a higher limit."
    )
    print_line(note)
    calls = {rooms: each.calls_per_second for rooms, each in found.items()}
    cpu = {rooms: sum(each.processor_shares) for rooms, each in found.items()}
    return GrowthPart(
        (
            _series("calls to LiveKit", "rooms", "calls/s", calls),
            _series("comparison with LiveKit", "rooms", "processors", cpu),
        ),
        (note,),
    )


def _series(name: str, x_name: str, unit: str, figures: dict[int, float]) -> GrowthSeries:
    y = [round_figure(figure) for figure in figures.values()]
    return {"name": name, "x_name": x_name, "unit": unit, "x": list(figures), "y": y}
