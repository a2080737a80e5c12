"""Report of the gateway's measurements: ratios of what was measured side by side in one run."""

import os
from argparse import Namespace
from collections.abc import Sequence

from bench import results_file, tables
from bench.environment import BenchEnvironment
from bench.gateway import commands, gateway_data, processes, streams
from bench.gateway.commands import CommandsResult
from bench.gateway.streams import StreamsResult
from bench.measurements.latency import LatencyResult
from bench.printing import PrintLine
from cohost import audit

_SHOWN = 5
_MEGABYTE = 1_000_000
_DESCRIPTORS_PER_CLIENT = 2


async def report_gateway(
    environment: BenchEnvironment, options: Namespace, print_line: PrintLine
) -> list[str]:
    """Print what one copy of the gateway does with commands and with live streams."""
    commands_found, wrong = await _report_commands(environment, options, print_line)
    streams_found = await _report_streams(environment, options, print_line)
    data = gateway_data.describe_gateway(commands_found, streams_found)
    results_file.save_result("gateway", data, environment, options)
    return [*wrong, *streams_found.wrong]


async def _report_commands(
    environment: BenchEnvironment, options: Namespace, print_line: PrintLine
) -> tuple[CommandsResult, list[str]]:
    """Print latency and capacity of commands, and return them with a line for each wrong outcome."""
    print_line("commands, in slices: straight to Kafka, over the gateway, over a bare handler")
    run = await environment.create_run("commands")
    found = await commands.measure_commands(run, options.seconds, options.seed, print_line)
    report = await audit.audit(run.bootstrap_servers, run.prefix)
    print_line(f"{found.sent} commands, {len(found.unexpected)} with another answer or outcome than expected")
    for line in found.unexpected[:_SHOWN]:
        print_line(f"  {line}")
    print_line(f"audit of the topics: {report.commands} commands, {len(report.violations)} violations")
    print_line(f"\n{_latency_table(found)}\n\n{_capacity_table(found)}")
    return found, [*found.unexpected, *report.violations]


async def _report_streams(
    environment: BenchEnvironment, options: Namespace, print_line: PrintLine
) -> StreamsResult:
    """Print memory, CPU and latency of live streams."""
    clients = min(options.clients, processes.raise_descriptor_limit() // _DESCRIPTORS_PER_CLIENT)
    print_line(f"\n{clients} clients of live streams, {streams.RATE} events per second …")
    found = await streams.measure_streams(await environment.create_run("streams"), clients, options.seconds)
    for line in found.wrong[:_SHOWN]:
        print_line(f"  {line}")
    print_line(_describe_streams(found))
    return found


def _latency_table(found: CommandsResult) -> str:
    rows = []
    for (rate, name), result in found.latency.items():
        own = found.latency[rate, "pipeline"]
        figures = [result.p50, result.p99, result.longest]
        ratios = [result.p50 / own.p50, result.p99 / own.p99]
        rows.append(
            [name, str(rate), str(result.commands), *map(_milliseconds, figures), *map(_ratio, ratios)]
        )
    head = ["", "rate", "commands", "p50", "p99", "longest", "p50 / pipeline's", "p99 / pipeline's"]
    return (
        "from due time to outcome, in ms; of the bare handler to 202, without an outcome"
        f" (load average {_load()})\n{tables.format_table(head, rows)}"
    )


def _capacity_table(found: CommandsResult) -> str:
    bare = found.capacity["bare handler"].per_second
    rows = []
    for name, result in found.capacity.items():
        cost = [1e6 * seconds / result.commands for seconds in (result.server_cpu, result.worker_cpu)]
        figures = [result.per_second, *cost, 1e6 / cost[0]]
        rows.append(
            [
                name,
                str(result.in_flight),
                *map(tables.format_number, figures),
                _ratio(result.per_second / bare),
            ]
        )
    head = [
        "",
        "in progress",
        "commands/s",
        "CPU µs: HTTP server",
        "pipeline's worker",
        "commands/s of a whole core",
        "/ bare",
    ]
    return (
        "as many as it can take, on processors shared with all others"
        f" (load average {_load()})\n{tables.format_table(head, rows)}"
    )


def _describe_streams(found: StreamsResult) -> str:
    each = (found.bytes_with - found.bytes_before) / found.clients / 1000
    per_second = found.deliveries / found.seconds
    before = found.bytes_before / _MEGABYTE
    per_event = 1e6 * (found.cpu - found.idle_cpu) * found.seconds / found.deliveries
    rows: Sequence[tuple[str, str]] = (
        ("clients", f"{found.clients} in {found.rooms} rooms, {found.clients / found.rooms:.0f} in each"),
        (
            "connected",
            f"in {found.connect_seconds:.1f} s, {found.clients / found.connect_seconds:.0f} a second",
        ),
        (
            "memory (RSS)",
            f"{found.bytes_with / _MEGABYTE:.0f} MB, {before:.0f} MB without clients: {each:.0f} kB for each",
        ),
        ("delivered", f"{found.events} events {found.deliveries} times, {per_second:.0f} per second"),
        ("CPU of one delivery", f"{per_event:.0f} µs"),
        ("CPU", f"{found.cpu:.0%} of a core, {found.idle_cpu:.0%} without events"),
        ("due time to topic's reader", _quantiles(found.reader)),
        ("topic's reader to client", _quantiles(found.delivery)),
    )
    return f"load average {_load()}\n{tables.format_table(['', ''], rows)}"


def _quantiles(result: LatencyResult) -> str:
    return f"p50 {result.p50:.0f} ms, p99 {result.p99:.0f} ms, longest {result.longest:.0f} ms"


def _milliseconds(value: float) -> str:
    return f"{value:.0f}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"
