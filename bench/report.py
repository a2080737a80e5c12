"""Reports of the measurements. Each run function returns a line per wrong result, or an empty list."""

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import outcomes, tables
from bench.baseline import measurement
from bench.environment import BenchEnvironment, BenchRun
from bench.fake_livekit import process
from bench.gateway import gateway_report
from bench.ladder import ladder_report
from bench.measurements import drain, grant_check, grants, kills, livekit_report, traces
from bench.measurements.grants import GrantsResult
from bench.measurements.traces import TracedDrain
from bench.results import Measurement
from bench.workload import seat_plan
from bench.workload.simulated_room import PlannedCommand
from cohost import audit

COMMANDS_A_ROOM = 50
LEAST_ACCEPTED = 0.6
WARM_UP = 10_000
PLAIN = {1: 2_000, 12: 5_000}
RATES = (1_000, 5_000)
TRACE_ROUNDS = 6

_SHOWN = 5


async def run_drain(environment: BenchEnvironment, options: Namespace) -> list[str]:
    """Drain with one worker, then with the baseline handler, and print both side by side."""
    warm = await environment.create_run("warm")
    await drain.measure_drain(
        warm, await drain.fill_topics(warm, WARM_UP, WARM_UP // COMMANDS_A_ROOM, options.seed)
    )
    result, wrong = await _run_worker(environment, options)
    plain = {
        workers: await _run_baseline(environment, workers, count, options.seed)
        for workers, count in PLAIN.items()
    }
    print_line("")
    print_line(_format_comparison(result, plain[1], plain[12]))
    print_line("\nWith several workers the plain handler gives up the order of commands.")
    # Several workers decide out of order and may reject other commands; a single one keeps the order.
    return wrong + [f"the plain handler: {line}" for line in plain[1].unexpected]


async def run_latency(environment: BenchEnvironment, options: Namespace) -> list[str]:
    """Print the latency of commands at rising rates."""
    return await ladder_report.report_latency(environment, options, print_line)


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
    if options.livekit:
        await livekit_report.report_livekit_grants(environment, options.seed, print_line)
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
    return _print_audit(report, sent)


async def run_gateway(environment: BenchEnvironment, options: Namespace) -> list[str]:
    """Print what one copy of the gateway does with commands and with the clients of live streams."""
    return [
        *await gateway_report.report_commands(environment, options, print_line),
        *await gateway_report.report_streams(environment, options, print_line),
    ]


async def run_traces(environment: BenchEnvironment, options: Namespace) -> list[str]:
    """Print what traces cost a worker, as ratios to the same drain without them."""
    warm = await environment.create_run("warm")
    await drain.measure_drain(
        warm, await drain.fill_topics(warm, WARM_UP, WARM_UP // COMMANDS_A_ROOM, options.seed)
    )
    rounds: list[dict[str, TracedDrain]] = []
    for number in range(TRACE_ROUNDS):
        # Another one begins each time: what comes first must not always find the machine as it was.
        order = [*traces.VARIANTS[number % 3 :], *traces.VARIANTS[: number % 3]]
        print_line(f"round {number + 1}: {', '.join(variant.name for variant in order)} …")
        rounds.append(
            {
                variant.name: await traces.measure_variant(
                    environment, variant, options.commands, options.seed
                )
                for variant in order
            }
        )
    print_line("\nprocessor time of one command, in µs; ratios to the same round's drain with traces off")
    head = ["traces", "Python", "all", "ratio Python", "lowest", "highest", "ratio all", "spans"]
    rows = [_traces_row(variant.name, rounds) for variant in traces.VARIANTS]
    print_line(tables.format_table(head, rows))
    return [
        f"{variant.name}: {found[variant.name].spans} spans"
        for found in rounds
        for variant in traces.VARIANTS
        if bool(found[variant.name].spans) is not (variant.is_on and variant.is_sampled)
    ]


def print_line(text: str) -> None:
    """Print a line and flush it."""
    print(text, flush=True)  # noqa: T201 - the report


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
    commands = await drain.fill_topics(run, count, max(1, count // COMMANDS_A_ROOM), options.seed)
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
    rooms = count // COMMANDS_A_ROOM
    run = await environment.create_run("plain")
    print_line(f"a plain handler with max_workers={workers}: {count} commands …")
    commands = await drain.fill_topics(run, count, rooms, seed)
    measured = await measurement.measure_baseline(run, commands, rooms, seed, workers)
    return await DrainResult.from_topics(run, measured, commands)


def _grants_row(name: str, result: GrantsResult) -> list[str]:
    measured, waited = result.measurement, result.waits
    quantiles = [waited[len(waited) // 2], waited[len(waited) * 99 // 100], waited[-1]] if waited else []
    cost = measured.cpu_microseconds
    own = 1e6 * result.livekit_cpu / measured.commands
    return [
        name,
        tables.format_number(measured.per_second),
        *([f"{1000 * seconds:.0f}" for seconds in quantiles] or ["-"] * 3),
        *map(tables.format_number, (*cost, sum(cost), own)),
    ]


def _traces_row(name: str, rounds: Sequence[Mapping[str, TracedDrain]]) -> list[str]:
    costs = [found[name].measurement.cpu_microseconds for found in rounds]
    bases = [found[traces.VARIANTS[0].name].measurement.cpu_microseconds for found in rounds]
    own = [cost.worker / base.worker for cost, base in zip(costs, bases, strict=True)]
    whole = [sum(cost) / sum(base) for cost, base in zip(costs, bases, strict=True)]
    return [
        name,
        f"{median(cost.worker for cost in costs):.1f}",
        f"{median(sum(cost) for cost in costs):.1f}",
        *(f"{ratio:.3f}" for ratio in (median(own), min(own), max(own), median(whole))),
        str(rounds[-1][name].spans),
    ]


def _format_comparison(worker: DrainResult, plain: DrainResult, plain12: DrainResult) -> str:
    rates = [plain.measurement.per_second, plain12.measurement.per_second]
    rows = [
        _drain_row("one worker, everything on", worker, rates),
        _drain_row("plain handler", plain, rates),
        _drain_row("plain handler, max_workers=12", plain12, rates),
    ]
    head = [
        *("", "commands/s", "times plain", "times plain 12"),
        *("CPU µs: Python", "Postgres", "Kafka", "all", "accepted", "unexpected"),
    ]
    return tables.format_table(head, rows)


def _drain_row(name: str, result: DrainResult, rates: Sequence[float]) -> list[str]:
    measured = result.measurement
    cost = measured.cpu_microseconds
    figures = [measured.per_second, *(measured.per_second / rate for rate in rates), *cost, sum(cost)]
    outcome = [f"{result.accepted:.1%}", str(len(result.unexpected))]
    return [name, *map(tables.format_number, figures), *outcome]
