"""Report of a soak. The run function returns a line per thing that was not flat, or an empty list."""

import dataclasses
import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import tables
from bench.environment import BenchEnvironment
from bench.soak import minutes as flatness
from bench.soak import soak_run
from bench.soak.minutes import SoakMinute
from cohost import audit

SAVED = Path(__file__).parents[1] / "results" / "soak.json"

PrintLine = Callable[[str], None]

_LARGEST_TABLES = 6


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
    for name, cost in _COSTS.items():
        without, held = flatness.snapshot_costs(found, cost)
        print_line(f"{name}: {without:.0f} without the snapshot, {held:.0f} with it")
    if options.save:
        SAVED.parent.mkdir(exist_ok=True)
        SAVED.write_text(json.dumps([dataclasses.asdict(each) for each in found], indent=1) + "\n")
    for sentence in (flatness.FLAT_P99, flatness.FLAT_MEMORY, flatness.FLAT_TABLES):
        print_line(sentence)
    audited = await audit.audit(run.bootstrap_servers, run.prefix)
    print_line(f"audit of the topics: {audited.commands} commands, {len(audited.violations)} violations")
    grown = [*flatness.find_growth(found), *audited.violations]
    print_line("\n".join(grown) if grown else "p99, memory and tables were flat")
    return grown


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
    shown = [name for name in largest if name not in flatness.HISTORY_TABLES][:_LARGEST_TABLES]
    shown += sorted(flatness.HISTORY_TABLES & found[-1].tables.keys())
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
