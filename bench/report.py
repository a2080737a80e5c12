"""Reports of drain, grants and kills. Each run function returns a line per wrong result, or an empty list."""

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import outcomes, results_file, saved_data, tables
from bench.baseline import measurement
from bench.environment import BenchEnvironment, BenchRun
from bench.fake_livekit import process
from bench.measurements import drain, grant_check, grants, kills, livekit_report
from bench.measurements.grants import GrantsResult
from bench.printing import print_line
from bench.result_shapes import DrainData, GrantsData, KillsData
from bench.results import Measurement
from bench.workload import seat_plan, traffic
from bench.workload.simulated_room import PlannedCommand
from cohost import audit

LEAST_ACCEPTED = 0.6
PLAIN = {1: 2_000, 12: 5_000}
RATES = (1_000, 5_000)

_SHOWN = 5


async def run_drain(environment: BenchEnvironment, options: Namespace) -> list[str]:
    """Drain with one worker, then with the baseline handler, and print both side by side."""
    await drain.warm_up(environment, options.seed)
    result, wrong = await _run_worker(environment, options)
    plain = {
        workers: await _run_baseline(environment, workers, count, options.seed)
        for workers, count in PLAIN.items()
    }
    drains = {
        "one worker, everything on": result,
        "plain handler": plain[1],
        "plain handler, max_workers=12": plain[12],
    }
    print_line("")
    print_line(_format_comparison(drains, [each.measurement.per_second for each in plain.values()]))
    data: DrainData = {
        "drains": [
            saved_data.describe_drain(name, each.measurement, each.accepted) for name, each in drains.items()
        ]
    }
    results_file.save_result("drain", data, environment, options)
    print_line("\nWith several workers the plain handler gives up the order of commands.")
    # Several workers decide out of order and may reject other commands; a single one keeps the order.
    return wrong + [f"the plain handler: {line}" for line in plain[1].unexpected]


async def run_grants(environment: BenchEnvironment, options: Namespace) -> list[str]:
    """Print how many grants per second one worker makes, their latency and their CPU cost."""
    found: dict[str, GrantsResult] = {}
    wrong: list[str] = []
    for rate in (None, *RATES):
        name = "all at once" if rate is None else f"{rate} a second"
        print_line(f"{options.grants} seats in {grants.ROOMS} rooms, {name} …")
        run = await environment.create_run("grants", "broadcast")
        made = seat_plan.plan_seats("room", grants.ROOMS, options.grants, options.seed)
        if rate is None:
            profile = options.profile if options.what == "grants" else None
            found[name] = await grants.measure_burst(run, made, options.seed, profile)
        else:
            found[name] = await grants.measure_steady(run, made, rate, options.seed)
        wrong += [
            *grant_check.find_grant_errors(
                made.seats, await grant_check.read_broadcast_events(run), found[name].state
            )
        ]
        wrong += _print_audit(await audit.audit(run.bootstrap_servers, run.prefix), len(made.seats))
        print_line(
            f"calls: {', '.join(f'{method} {count}' for method, count in found[name].state.calls.items())}"
        )
    for line in wrong[:_SHOWN]:
        print_line(f"  {line}")
    milliseconds = [1000 * each for each in (process.ANSWER_SECONDS, process.ANSWER_JITTER)]
    print_line("\nLiveKit is a fake server that answers within {:.0f} ± {:.0f} ms".format(*milliseconds))
    print_line("waiting is from when an event was due to LiveKit's answer, in ms; CPU in µs of one grant")
    head = [
        *("seats", "grants/s", "p50", "p99", "longest"),
        *("CPU: Python", "Postgres", "Kafka", "all", "fake LiveKit"),
    ]
    print_line(tables.format_table(head, [_grants_row(name, each) for name, each in found.items()]))
    livekit = (
        await livekit_report.report_livekit_grants(environment, options.seed, print_line)
        if options.livekit
        else []
    )
    data: GrantsData = {
        "seats": options.grants,
        "grants": [saved_data.describe_grants(name, each) for name, each in found.items()],
        "livekit": livekit,
    }
    results_file.save_result("grants", data, environment, options)
    return wrong


async def run_kills(environment: BenchEnvironment, options: Namespace) -> list[str]:
    """Print the audit of the topics after kills under load."""
    began = time.monotonic()
    print_line(f"two workers, {kills.RATE} commands a second, seed {options.seed}")
    sent, report = await kills.measure_kills(
        await environment.create_run("kills"),
        options.seed,
        lambda text: print_line(f"{time.monotonic() - began:6.1f} s  {text}"),
    )
    data: KillsData = {
        "commands": sent,
        "outcomes": report.outcomes,
        "kills": kills.KILLS,
        "violations": len(report.violations),
    }
    results_file.save_result("kills", data, environment, options)
    return _print_audit(report, sent)


@dataclass(frozen=True)
class DrainResult:
    """Measurement of a drain, and its outcomes."""

    measurement: Measurement
    accepted: float
    unexpected: list[str]

    @classmethod
    async def from_topics(
        cls, run: BenchRun, measured: Measurement, commands: Sequence[PlannedCommand]
    ) -> "DrainResult":
        """Read the outcomes of all commands from the topics."""
        found = await outcomes.read_outcomes(run)
        unexpected = outcomes.find_unexpected(commands, found)
        return cls(measured, outcomes.accepted_share(commands, found), unexpected)


async def _run_worker(environment: BenchEnvironment, options: Namespace) -> tuple[DrainResult, list[str]]:
    count = options.commands
    run = await environment.create_run("drain")
    print_line(f"filling in {count} commands …")
    commands = await drain.fill_topics(run, count, options.seed)
    print_line("draining them …")
    measured = await drain.measure_drain(run, commands, options.profile)
    print_line("")
    print_line(outcomes.format_mix(commands, await outcomes.read_outcomes(run)))
    found = await DrainResult.from_topics(run, measured, commands)
    print_line(f"\n{len(commands)} commands, {len(found.unexpected)} with another outcome than expected")
    for line in found.unexpected[:_SHOWN]:
        print_line(f"  {line}")
    few = [f"only {found.accepted:.1%} were accepted"] if found.accepted < LEAST_ACCEPTED else []
    audited = _print_audit(await audit.audit(run.bootstrap_servers, run.prefix), len(commands))
    return found, [*found.unexpected, *few, *audited]


def _print_audit(report: audit.Report, sent: int) -> list[str]:
    print_line(
        f"audit of the topics: {report.commands} commands, {report.outcomes} outcomes, "
        f"{len(report.violations)} violations"
    )
    for violation in report.violations[:_SHOWN]:
        print_line(f"  {violation}")
    # The service's sweeper may have written commands too.
    missing = [f"{sent - report.commands} commands are missing"] if report.commands < sent else []
    return [*report.violations, *missing]


async def _run_baseline(environment: BenchEnvironment, workers: int, count: int, seed: int) -> DrainResult:
    run = await environment.create_run("plain")
    print_line(f"a plain handler with max_workers={workers}: {count} commands …")
    commands = await drain.fill_topics(run, count, seed)
    measured = await measurement.measure_baseline(run, commands, traffic.rooms_for(count), seed, workers)
    return await DrainResult.from_topics(run, measured, commands)


def _grants_row(name: str, result: GrantsResult) -> list[str]:
    measured, latency = result.measurement, result.latency
    waits = [] if latency is None else [latency.p50, latency.p99, latency.longest]
    cost = measured.cpu_microseconds
    own = 1e6 * result.livekit_cpu / measured.commands
    return [
        name,
        tables.format_number(measured.per_second),
        *([f"{ms:.0f}" for ms in waits] or ["-"] * 3),
        *map(tables.format_number, (*cost, sum(cost), own)),
    ]


def _format_comparison(drains: Mapping[str, DrainResult], rates: Sequence[float]) -> str:
    head = [
        *("", "commands/s", "times plain", "times plain 12"),
        *("CPU µs: Python", "Postgres", "Kafka", "all", "accepted", "unexpected"),
    ]
    return tables.format_table(head, [_drain_row(name, each, rates) for name, each in drains.items()])


def _drain_row(name: str, result: DrainResult, rates: Sequence[float]) -> list[str]:
    measured = result.measurement
    cost = measured.cpu_microseconds
    figures = [measured.per_second, *(measured.per_second / rate for rate in rates), *cost, sum(cost)]
    outcome = [f"{result.accepted:.1%}", str(len(result.unexpected))]
    return [name, *map(tables.format_number, figures), *outcome]
