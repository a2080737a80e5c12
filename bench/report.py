"""Reports of the measurements. Each run function returns a line per wrong result, or an empty list."""

import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from bench import baseline, drain, grants, kills, latency, livekit, outcomes, seats, table, verdict
from bench.grants import Granted
from bench.measured import Measured
from bench.place import Place, Run
from bench.room import Command
from cohost import audit

COMMANDS_A_ROOM = 50
LEAST_ACCEPTED = 0.6
WARM_UP = 10_000
PLAIN = {1: 2_000, 12: 5_000}
RATES = (1_000, 5_000)

_SHOWN = 5


async def drained(place: Place, options: Namespace) -> list[str]:
    """Drain with one worker, then with the baseline handler, and print both side by side."""
    warm = await place.run("warm")
    await drain.measure(warm, await drain.fill(warm, WARM_UP, WARM_UP // COMMANDS_A_ROOM, options.seed))
    drained_, wrong = await _worker(place, options)
    plain = {workers: await _plain(place, workers, count, options.seed) for workers, count in PLAIN.items()}
    say("")
    say(_side_by_side(drained_, plain[1], plain[12]))
    say("\nWith several workers the plain handler gives up the order of commands.")
    # Several workers decide out of order and may reject other commands; a single one keeps the order.
    return wrong + [f"the plain handler: {line}" for line in plain[1].unexpected]


async def timed(place: Place, options: Namespace) -> list[str]:
    """Print the latency of commands at steady rates."""
    rows = []
    for rate in RATES:
        say(f"{rate} commands a second for {options.seconds} s …")
        found = await latency.measure(await place.run("steady"), rate, options.seconds, options.seed)
        rows.append(
            [str(rate), str(found.commands), *(f"{ms:.0f}" for ms in (found.p50, found.p99, found.longest))]
        )
    say("\nfrom a command's due time to its outcome at a read_committed reader, in ms")
    say(table.show(["rate", "commands", "p50", "p99", "longest"], rows))
    return []


async def granted(place: Place, options: Namespace) -> list[str]:
    """Print how many grants per second one worker makes, their latency and their CPU cost."""
    found: dict[str, Granted] = {}
    wrong: list[str] = []
    for rate in (None, *RATES):
        name = "all at once" if rate is None else f"{rate} a second"
        say(f"{options.grants} seats in {grants.ROOMS} rooms, {name} …")
        run = await place.run("grants", "broadcast")
        made = seats.make("room", grants.ROOMS, options.grants, options.seed)
        if rate is None:
            profile = options.profile if options.what == "grants" else None
            found[name] = await grants.drain(run, made, options.seed, profile)
        else:
            found[name] = await grants.steady(run, made, rate, options.seed)
        wrong += [*verdict.wrong(made.seats, await verdict.told(run), found[name].state)]
        wrong += _audited(await audit.audit(run.kafka, run.prefix), len(made.seats))
        say(f"calls: {', '.join(f'{method} {count}' for method, count in found[name].state.calls.items())}")
    for line in wrong[:_SHOWN]:
        say(f"  {line}")
    milliseconds = [1000 * each for each in (livekit.SECONDS, livekit.JITTER)]
    say("\nLiveKit is a fake server that answers within {:.0f} ± {:.0f} ms".format(*milliseconds))
    say("waiting is from when an event was due to LiveKit's answer, in ms; CPU in µs of one grant")
    head = [
        *("seats", "grants/s", "p50", "p99", "longest"),
        *("CPU: Python", "Postgres", "Kafka", "all", "fake LiveKit"),
    ]
    say(table.show(head, [_grants(name, each) for name, each in found.items()]))
    return wrong


async def tormented(place: Place, options: Namespace) -> list[str]:
    """Print the audit of the topics after kills under load."""
    began = time.monotonic()
    say(f"two workers, {kills.RATE} commands a second, seed {options.seed}")
    sent, report = await kills.torment(
        await place.run("kills"),
        options.seed,
        lambda text: say(f"{time.monotonic() - began:6.1f} s  {text}"),
    )
    return _audited(report, sent)


def say(text: str) -> None:
    """Print a line and flush it."""
    print(text, flush=True)  # noqa: T201 - the report


@dataclass(frozen=True)
class Drained:
    """Measurement of a drain, and its outcomes."""

    measured: Measured
    accepted: float
    unexpected: list[str]

    @classmethod
    async def of(cls, run: Run, measured: Measured, commands: Sequence[Command]) -> "Drained":
        """Read the outcomes of all commands from the topics."""
        found = await outcomes.read(run)
        unexpected = outcomes.unexpected(commands, found)
        return cls(measured, outcomes.accepted(commands, found), unexpected)


async def _worker(place: Place, options: Namespace) -> tuple[Drained, list[str]]:
    count = options.commands
    run = await place.run("drain")
    say(f"filling in {count} commands …")
    commands = await drain.fill(run, count, max(1, count // COMMANDS_A_ROOM), options.seed)
    say("draining them …")
    measured = await drain.measure(run, commands, options.profile)
    say("")
    say(outcomes.mix(commands, await outcomes.read(run)))
    found = await Drained.of(run, measured, commands)
    say(f"\n{len(commands)} commands, {len(found.unexpected)} with another outcome than expected")
    for line in found.unexpected[:_SHOWN]:
        say(f"  {line}")
    few = [f"only {found.accepted:.1%} were accepted"] if found.accepted < LEAST_ACCEPTED else []
    audited = _audited(await audit.audit(run.kafka, run.prefix), len(commands))
    return found, [*found.unexpected, *few, *audited]


def _audited(report: audit.Report, sent: int) -> list[str]:
    say(
        f"audit of the topics: {report.commands} commands, {report.outcomes} outcomes, "
        f"{len(report.violations)} violations"
    )
    for violation in report.violations[:_SHOWN]:
        say(f"  {violation}")
    # The service's sweeper may have written commands too.
    missing = [f"{sent - report.commands} commands are missing"] if report.commands < sent else []
    return [*report.violations, *missing]


async def _plain(place: Place, workers: int, count: int, seed: int) -> Drained:
    rooms = count // COMMANDS_A_ROOM
    run = await place.run("plain")
    say(f"a plain handler with max_workers={workers}: {count} commands …")
    commands = await drain.fill(run, count, rooms, seed)
    measured = await baseline.measure(run, commands, rooms, seed, workers)
    return await Drained.of(run, measured, commands)


def _grants(name: str, granted_: Granted) -> list[str]:
    measured, waited = granted_.measured, granted_.waited
    quantiles = [waited[len(waited) // 2], waited[len(waited) * 99 // 100], waited[-1]] if waited else []
    cost = measured.microseconds
    own = 1e6 * granted_.livekit / measured.commands
    return [
        name,
        table.number(measured.rate),
        *([f"{1000 * seconds:.0f}" for seconds in quantiles] or ["-"] * 3),
        *map(table.number, (*cost, sum(cost), own)),
    ]


def _side_by_side(worker: Drained, plain: Drained, plain12: Drained) -> str:
    rates = [plain.measured.rate, plain12.measured.rate]
    rows = [
        _row("one worker, everything on", worker, rates),
        _row("plain handler", plain, rates),
        _row("plain handler, max_workers=12", plain12, rates),
    ]
    head = [
        *("", "commands/s", "times plain", "times plain 12"),
        *("CPU µs: Python", "Postgres", "Kafka", "all", "accepted", "unexpected"),
    ]
    return table.show(head, rows)


def _row(name: str, drained_: Drained, rates: Sequence[float]) -> list[str]:
    measured = drained_.measured
    cost = measured.microseconds
    figures = [measured.rate, *(measured.rate / rate for rate in rates), *cost, sum(cost)]
    outcome = [f"{drained_.accepted:.1%}", str(len(drained_.unexpected))]
    return [name, *map(table.number, figures), *outcome]
