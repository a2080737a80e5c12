"""Report of what grows with what is stored. The run function returns a line per wrong result."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from bench import results_file, tables
from bench.environment import BenchEnvironment
from bench.growth import load_reports
from bench.growth.growth_point import GrowthPoint, GrowthRound
from bench.growth.load_reports import GrowthPart
from bench.growth.stored_rows import StoredSize
from bench.printing import PrintLine
from bench.result_shapes import GrowthData, GrowthSeries

ROUNDS = 3
INVITATIONS = (1_000, 100_000, 1_000_000, 10_000_000)
ROOMS = (1_000, 20_000, 100_000, 1_000_000)
USUAL_INVITATIONS = 100_000
USUAL_ROOMS = 20_000
AIM = 0.9
POSTGRES = {"shared_buffers": "2GB", "max_wal_size": "8GB"}
"""Room for the indexes of the largest size, as docs/operations.md says."""

_SHOWN = 5
_SHOWN_BYTES = 1_000_000

RoundsBySize = Mapping[StoredSize, Sequence[GrowthRound]]
TableBytes = Mapping[str, int]
"""The bytes of each table with its indexes."""


def choose_sizes(largest: int) -> list[StoredSize]:
    """Return the sizes up to the largest number of invitations or rooms, each once."""
    many = [StoredSize(count, USUAL_ROOMS) for count in INVITATIONS]
    wide = [StoredSize(USUAL_INVITATIONS, count) for count in ROOMS]
    sizes = dict.fromkeys(size for size in (*many, *wide) if max(size.invitations, size.rooms) <= largest)
    return list(sizes)


async def report_growth(
    environment: BenchEnvironment, options: Namespace, print_line: PrintLine
) -> list[str]:
    """Print what stored invitations, rooms, a hot room, workers and the comparison with LiveKit cost."""
    await environment.configure_postgres(POSTGRES)
    parts = [
        await report_stored(environment, choose_sizes(options.largest), options.seed, print_line),
        await load_reports.report_hot_room(environment, options.seed, print_line),
        await load_reports.report_worker_counts(environment, options.seed, print_line),
        await load_reports.report_comparison(environment, options.seed, print_line),
    ]
    data: GrowthData = {
        "series": [series for part in parts for series in part.series],
        "notes": [note for part in parts for note in part.notes],
    }
    results_file.save_result("growth", data, environment, options)
    wrong = [line for part in parts for line in part.wrong]
    for line in wrong[:_SHOWN]:
        print_line(line)
    return wrong


async def report_stored(
    environment: BenchEnvironment, sizes: Sequence[StoredSize], seed: int, print_line: PrintLine
) -> GrowthPart:
    """Print cost, memory, start and takeover by the numbers of stored invitations and rooms."""
    points: list[GrowthPoint] = []
    for size in sizes:
        print_line(f"storing {size.invitations} invitations in {size.rooms} rooms …")
        points.append(await GrowthPoint.prepare(environment, size, seed))
    rounds: dict[StoredSize, list[GrowthRound]] = {point.size: [] for point in points}
    for number in range(ROUNDS):
        # Another one begins each time: what comes first must not always find the machine as it was.
        for point in (*points[number:], *points[:number]):
            found = await point.measure_round(GrowthPoint.next_command)
            rounds[point.size].append(found)
            print_line(
                f"round {number + 1}: {point.size.invitations} invitations, {point.size.rooms} rooms: "
                f"{sum(found.drain.cpu_microseconds):.0f} µs, ready in {found.start_seconds:.1f} s"
            )
    takeovers = {point.size: await point.measure_takeover() for point in points}
    stored = {point.size: await point.table_bytes() for point in points}
    print_line("")
    print_line(_format_costs(rounds, takeovers, stored))
    print_line("")
    print_line(_format_tables(stored))
    aim = describe_aim(rounds)
    print_line(aim)
    wrong = [line for point in points for line in await point.find_unexpected()]
    return GrowthPart(build_series(rounds, takeovers, stored), (aim,), wrong)


def lowest_cost(rounds: Sequence[GrowthRound]) -> float:
    """Return the lowest cost of a command in µs: what else the machine does makes commands dearer."""
    return min(sum(each.drain.cpu_microseconds) for each in rounds)


def _median_memory(rounds: Sequence[GrowthRound]) -> float:
    """Return the memory of a worker in MiB."""
    return median(each.memory for each in rounds)


def describe_aim(rounds: RoundsBySize) -> str:
    """Return whether a command costs at most 1 / 0.9 of what it does with the fewest invitations."""
    many = sorted((size for size in rounds if size.rooms == USUAL_ROOMS), key=lambda size: size.invitations)
    first, last = many[0], many[-1]
    share = lowest_cost(rounds[first]) / lowest_cost(rounds[last])
    return (
        f"with {last.invitations} invitations {share:.2f} times as many commands are decided in the same "
        f"processor time as with {first.invitations}; the aim is {AIM}: "
        f"{'reached' if share >= AIM else 'missed'}"
    )


def build_series(
    rounds: RoundsBySize, takeovers: Mapping[StoredSize, float], stored: Mapping[StoredSize, TableBytes]
) -> list[GrowthSeries]:
    """Return the figures as series, over invitations and over rooms."""
    figures: list[tuple[str, str, Callable[[StoredSize], float]]] = [
        ("a command", "µs/command", lambda size: lowest_cost(rounds[size])),
        ("memory of a worker", "MB", lambda size: _median_memory(rounds[size]) * 2**20 / 1e6),
        ("Postgres", "MB", lambda size: sum(stored[size].values()) / 1e6),
        ("start", "s", lambda size: min(each.start_seconds for each in rounds[size])),
        ("takeover", "s", lambda size: takeovers[size]),
    ]
    series: list[GrowthSeries] = []
    for x_name, chosen in (
        ("invitations", [size for size in rounds if size.rooms == USUAL_ROOMS]),
        ("rooms", [size for size in rounds if size.invitations == USUAL_INVITATIONS]),
    ):
        chosen.sort(key=lambda size: (size.invitations, size.rooms))
        x = [size.invitations if x_name == "invitations" else size.rooms for size in chosen]
        for name, unit, figure in figures:
            y = [results_file.round_figure(figure(size)) for size in chosen]
            series.append({"name": name, "x_name": x_name, "unit": unit, "x": x, "y": y})
    return series


def _format_costs(
    rounds: RoundsBySize, takeovers: Mapping[StoredSize, float], stored: Mapping[StoredSize, TableBytes]
) -> str:
    head = [
        *("invitations", "rooms", "µs: lowest", "median", "worker", "Postgres", "Kafka"),
        *("MiB of the worker", "start s", "takeover s", "MB in Postgres"),
    ]
    return tables.format_table(
        head, [_cost_row(size, found, takeovers[size], stored[size]) for size, found in rounds.items()]
    )


def _cost_row(
    size: StoredSize, found: Sequence[GrowthRound], takeover: float, stored: TableBytes
) -> list[str]:
    costs = [each.drain.cpu_microseconds for each in found]
    lowest = min(costs, key=sum)
    figures = [sum(lowest), median(map(sum, costs)), *lowest, _median_memory(found)]
    return [
        *(str(size.invitations), str(size.rooms), *map(tables.format_number, figures)),
        f"{min(each.start_seconds for each in found):.1f}",
        f"{takeover:.1f}",
        tables.format_number(sum(stored.values()) / 1e6),
    ]


def _format_tables(stored: Mapping[StoredSize, TableBytes]) -> str:
    large = {name for found in stored.values() for name, count in found.items() if count >= _SHOWN_BYTES}
    head = ["MB", *(f"{size.invitations} / {size.rooms}" for size in stored)]
    return tables.format_table(
        head,
        [[name, *(f"{found.get(name, 0) / 1e6:.1f}" for found in stored.values())] for name in sorted(large)],
    )
