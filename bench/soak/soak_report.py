"""Report of a soak. The run function returns a line per thing that was not flat, or an empty list."""

from argparse import Namespace
from collections.abc import Callable, Sequence

from bench import results_file, tables
from bench.environment import BenchEnvironment
from bench.printing import PrintLine
from bench.result_shapes import GrowthData, GrowthSeries
from bench.soak import minutes, soak_run
from bench.soak.minutes import SoakMinute
from cohost import audit

_LARGEST_TABLES = 6
_FLAT = "p99, memory and tables were flat"


async def report_soak(environment: BenchEnvironment, options: Namespace, print_line: PrintLine) -> list[str]:
    """Print each minute of a soak and whether latency, memory and tables were flat."""
    run = await environment.create_run("soak")
    print_line(
        f"both services, {soak_run.RATE} commands a second over {soak_run.ROOMS} rooms for "
        f"{options.minutes} minutes; a snapshot of the database is held open in the middle third"
    )
    print_line(_format_line(_HEAD))
    found = await soak_run.measure_soak(
        run, options.minutes, options.seed, lambda number, each: print_line(_format_line(_row(number, each)))
    )
    print_line("")
    print_line(_format_tables(found))
    print_line("\n".join(_describe_snapshot(found)))
    for sentence in (minutes.FLAT_P99, minutes.FLAT_MEMORY, minutes.FLAT_TABLES):
        print_line(sentence)
    audited = await audit.audit(run.bootstrap_servers, run.prefix)
    print_line(f"audit of the topics: {audited.commands} commands, {len(audited.violations)} violations")
    verdict = minutes.find_growth(found) or [_FLAT]
    print_line("\n".join(verdict))
    results_file.save_result("soak", build_data(found), environment, options)
    return [*(line for line in verdict if line != _FLAT), *audited.violations]


def build_data(found: Sequence[SoakMinute]) -> GrowthData:
    """Return the figures of each minute as series, and what was flat."""
    figures: list[tuple[str, str, Callable[[SoakMinute], float]]] = [
        ("p50", "ms", lambda minute: minute.p50),
        ("p99", "ms", lambda minute: minute.p99),
        *((f"memory of {name}", "MiB", _memory_of(name)) for name in found[0].memory),
        ("tables without history", "MiB in tables", lambda minute: minute.mebibytes(history=False)),
        ("tables with history", "MiB in tables", lambda minute: minute.mebibytes(history=True)),
        ("dead rows", "rows", lambda minute: minute.dead_rows),
        ("services", "µs/command", lambda minute: minute.cpu.worker),
        ("Postgres", "µs/command", lambda minute: minute.cpu.postgres),
        ("Kafka", "µs/command", lambda minute: minute.cpu.kafka),
    ]
    series: list[GrowthSeries] = [
        {
            "name": name,
            "x_name": "minutes",
            "unit": unit,
            "x": list(range(1, len(found) + 1)),
            "y": [results_file.round_figure(figure(minute)) for minute in found],
        }
        for name, unit, figure in figures
    ]
    notes = [
        *_describe_snapshot(found),
        *(minutes.FLAT_P99, minutes.FLAT_MEMORY, minutes.FLAT_TABLES),
        *(minutes.find_growth(found) or [_FLAT]),
    ]
    return {"series": series, "notes": notes}


def _memory_of(process: str) -> Callable[[SoakMinute], float]:
    return lambda minute: minute.memory[process]


def _describe_snapshot(found: Sequence[SoakMinute]) -> list[str]:
    """Return what each minute cost without the snapshot and with it."""
    lines = []
    for name, cost in _COSTS.items():
        without, held = minutes.snapshot_costs(found, cost)
        lines.append(f"{name}: {without:.0f} without the snapshot, {held:.0f} with it")
    return lines


_HEAD = (
    *("minute", "snapshot", "commands", "p50", "p99", "lag"),
    *("MiB: inv.", "broadcast", "tables", "history", "dead rows"),
    *("µs: services", "Postgres", "Kafka"),
)
_COSTS: dict[str, Callable[[SoakMinute], float]] = {
    "p99 in ms": lambda minute: minute.p99,
    "µs of Postgres for a command": lambda minute: minute.cpu.postgres,
    "µs of the services for a command": lambda minute: minute.cpu.worker,
}


def _row(number: int, minute: SoakMinute) -> list[str]:
    figures = [
        *(minute.p50, minute.p99, minute.lag, *minute.memory.values()),
        *(minute.mebibytes(history=False), minute.mebibytes(history=True), minute.dead_rows, *minute.cpu),
    ]
    held = "held" if minute.has_snapshot else ""
    return [str(number), held, str(minute.commands), *(f"{figure:.0f}" for figure in figures)]


def _format_line(cells: Sequence[str]) -> str:
    """Return cells at the width of the head: a minute is printed when it ends."""
    return "  ".join(cell.rjust(len(head)) for cell, head in zip(cells, _HEAD, strict=True))


def _format_tables(found: Sequence[SoakMinute]) -> str:
    largest = sorted(found[-1].tables, key=lambda name: found[-1].tables[name].bytes, reverse=True)
    shown = [name for name in largest if name not in minutes.HISTORY_TABLES][:_LARGEST_TABLES]
    shown += sorted(minutes.HISTORY_TABLES & found[-1].tables.keys())
    held = [minute for minute in found if minute.has_snapshot] or found
    moments = (found[0], held[-1], found[-1])
    head = ["table", *("MiB: first", "snapshot", "last"), *("dead rows: first", "snapshot", "last")]
    rows = [
        [
            name,
            *(f"{each.tables[name].bytes / 2**20:.1f}" for each in moments),
            *(str(each.tables[name].dead_rows) for each in moments),
        ]
        for name in shown
    ]
    return tables.format_table(head, rows)
