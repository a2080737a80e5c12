"""Markdown tables of saved results."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.cost.recorded import UNIT
from bench.ladder.ladder_report import PIPELINE, PLAIN_HANDLER
from bench.result_shapes import (
    CostData,
    CostItem,
    CpuMicroseconds,
    DrainData,
    GrantsData,
    GrowthData,
    GrowthSeries,
    LatencyData,
    LatencyRung,
    LiveKitGrantsItem,
    PeersData,
    Spread,
)

Rows = Sequence[Sequence[str]]


def format_result(name: str, result: Mapping[str, Any]) -> str:
    """Return the tables of a result, below a line that says when and where it was measured."""
    head = (
        f"Measured on {result['measured_at']} at revision {result['revision']}: Python {result['python']}, "
        f"{result['processors']} processors for everything, load average {result['load_average']} before."
    )
    return f"{head}\n\n{RESULT_TABLES[name](result['data'])}"


def _format_table(head: Sequence[str], rows: Rows) -> str:
    lines = [head, ["---" if name in _TEXT_COLUMNS else "---:" for name in head], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_TEXT_COLUMNS = frozenset({"", "until it is", "guarantees", "note"})


def _format_cost(data: CostData) -> str:
    rows = [_cost_row(item) for item in data["steps"]]
    whole, passed = data["whole"], data["whole_passthrough"]
    rows += [_cost_row({**whole, "name": f"**{whole['name']}**"})]
    rows += [_cost_row(item) for item in (*data["passthrough"], passed)]
    table = _format_table(["", "µs", "times a passthrough"], rows)
    ratio = f"{whole['ratio']['median']:.1f} {UNIT}"
    return f"Medians of {data['rounds']} rounds, with lowest and highest. A command: {ratio}.\n\n{table}"


def _cost_row(item: CostItem) -> list[str]:
    return [item["name"], _format_spread(item["us"], 1), _format_spread(item["ratio"], 2)]


def _format_spread(spread: Spread, digits: int) -> str:
    low, middle, high = (f"{spread[each]:.{digits}f}" for each in ("lowest", "median", "highest"))
    return f"{middle} ({low} to {high})"


def _format_latency(data: LatencyData) -> str:
    rungs = {(rung["name"], rung["rate"]): rung for rung in data["ladder"]}
    rows = [
        [
            format_number(rate),
            *_format_rung(rungs[PIPELINE, rate]),
            *_format_rung(rungs[PLAIN_HANDLER, rate]),
            _format_share(rungs[PIPELINE, rate]["measurer_cpu"]),
        ]
        for name, rate in rungs
        if name == PIPELINE
    ]
    own = [f"pipeline: {each}" for each in ("p50", "p99", "longest")]
    plain = [f"plain handler: {each}" for each in ("p50", "p99", "longest")]
    ladder = _format_table(["commands a second", *own, *plain, "sender and reader"], rows)
    knee = "none of them" if data["knee"] is None else f"{format_number(data['knee'])} a second"
    limit = format_number(data["knee_p99_limit_ms"])
    steps = [[each["name"], f"{each['p50_ms']:.1f}", f"{each['p99_ms']:.1f}"] for each in data["steps"]]
    return (
        f"Milliseconds; {data['seconds']:g} s at each rate; a dash where it is not held.\n\n{ladder}\n\n"
        f"The knee, which is the highest rate with a p99 of at most {limit} ms: {knee}.\n\n"
        f"{_format_table(['until it is', 'p50', 'p99'], steps)}"
    )


def _format_rung(rung: LatencyRung) -> list[str]:
    figures = [rung["p50_ms"], rung["p99_ms"], rung["longest_ms"]]
    return ["-" if ms is None else f"{ms:.1f}" if ms < 100 else format_number(ms) for ms in figures]  # noqa: PLR2004 - three digits


def _format_share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%} of a processor"


def _format_peers(data: PeersData) -> str:
    rows = [
        [
            peer["name"],
            format_number(peer["commands_per_second"]),
            *_cpu_cells(peer["cpu_us"]),
            *map(_format_optional, (peer["latency_rate"], peer["p50_ms"], peer["p99_ms"])),
            peer["guarantees"],
            peer["note"],
        ]
        for peer in data["peers"]
    ]
    head = ["", "commands/s", *_CPU_HEAD, "latency at", "p50, ms", "p99, ms", "guarantees", "note"]
    killed = data["relay_kills"]
    return (
        f"{format_number(data['commands'])} commands drained; latency at so many commands a second.\n\n"
        f"{_format_table(head, rows)}\n\n"
        f"The outbox, its relay killed {killed['kills']} times while it published: of {killed['commands']} "
        f"commands {killed['with_several']} had more than one outcome, and {killed['without_outcome']} none."
    )


_CPU_HEAD = ("CPU µs: process", "Postgres", "Kafka", "all")


def _cpu_cells(cpu: CpuMicroseconds) -> list[str]:
    parts = [cpu["process"], cpu["postgres"], cpu["kafka"]]
    return [format_number(part) for part in (*parts, sum(parts))]


def _format_growth(data: GrowthData) -> str:
    panels: dict[tuple[str, tuple[float, ...]], list[GrowthSeries]] = defaultdict(list)
    for series in data["series"]:
        panels[series["x_name"], tuple(series["x"])].append(series)
    parts = [_format_panel(x_name, counts, found) for (x_name, counts), found in panels.items()]
    notes = _format_notes(data)
    return "\n\n".join([*parts, *([notes] if notes else [])])


def _format_notes(data: GrowthData) -> str:
    """Return the notes alone: a soak has too many minutes for a table."""
    return "\n".join(f"- {note}" for note in data.get("notes", ()))


def _format_panel(x_name: str, counts: Sequence[float], found: Sequence[GrowthSeries]) -> str:
    rows = [[f"{each['name']}, {each['unit']}", *map(format_number, each["y"])] for each in found]
    return _format_table([x_name, *map(format_number, counts)], rows)


def _format_drain(data: DrainData) -> str:
    rows = [
        [
            each["name"],
            format_number(each["commands_per_second"]),
            *_cpu_cells(each["cpu_us"]),
            f"{each['accepted']:.1%}",
        ]
        for each in data["drains"]
    ]
    return _format_table(["", "commands/s", *_CPU_HEAD, "accepted"], rows)


def _format_grants(data: GrantsData) -> str:
    rows = [
        [
            each["name"],
            format_number(each["grants_per_second"]),
            *_cpu_cells(each["cpu_us"]),
            format_number(each["livekit_us"]),
            *map(_format_optional, (each["p50_ms"], each["p99_ms"])),
        ]
        for each in data["grants"]
    ]
    head = ["", "grants/s", *_CPU_HEAD, "fake LiveKit", "p50, ms", "p99, ms"]
    tables = [f"{format_number(data['seats'])} seats on a fake LiveKit.", _format_table(head, rows)]
    if data["livekit"]:
        tables.append(_format_livekit(data["livekit"]))
    return "\n\n".join(tables)


def _format_livekit(items: Sequence[LiveKitGrantsItem]) -> str:
    rows = [
        [
            format_number(each["clients"]),
            *(format_number(each[name]) for name in ("calls_per_second", "broadcast_us", "livekit_us")),
            *(format_number(each[name]) for name in ("livekit_alone_us", "outcome_p50_ms")),
            *(format_number(each[name]) for name in ("permission_p50_ms", "permission_p99_ms")),
        ]
        for each in items
    ]
    head = ["clients of a real LiveKit", "calls/s", "CPU µs: broadcast", "LiveKit", "LiveKit alone"]
    return _format_table([*head, "outcome p50, ms", "permission p50, ms", "p99, ms"], rows)


def _format_optional(value: float | None) -> str:
    return "-" if value is None else format_number(value)


def format_number(value: float) -> str:
    """Return a number with thousands separated by narrow spaces, or with few decimals."""
    if abs(value) >= 100 or value == int(value):  # noqa: PLR2004 - three digits
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


RESULT_TABLES: Mapping[str, Callable[[Any], str]] = {
    "cost": _format_cost,
    "drain": _format_drain,
    "grants": _format_grants,
    "growth": _format_growth,
    "latency": _format_latency,
    "peers": _format_peers,
    "soak": _format_notes,
}
