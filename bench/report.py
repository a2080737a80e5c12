"""The measurements as a person reads them. Each returns what is wrong with the result, which is nothing."""

import time
from argparse import Namespace

from bench import baseline, drain, kills, latency, outcomes, table
from bench.measured import Measured
from bench.place import Place
from cohost import audit

COMMANDS_A_ROOM = 50
COMMANDS_A_ROOM_PLAIN = 20
WARM_UP = 10_000
PLAIN = {1: 2_000, 12: 5_000}
RATES = (1_000, 5_000)

_SHOWN = 5


async def drained(place: Place, options: Namespace) -> list[str]:
    """Drain with one worker, then let plain handlers do the same, and print both side by side."""
    warm = await place.run("warm")
    await drain.measure(warm, await drain.fill(warm, WARM_UP, WARM_UP // COMMANDS_A_ROOM, options.seed))
    measured, wrong = await _worker(place, options)
    plain = {workers: await _plain(place, workers, count, options.seed) for workers, count in PLAIN.items()}
    say("")
    say(_side_by_side(measured, plain[1], plain[12]))
    return wrong


async def timed(place: Place, options: Namespace) -> list[str]:
    """Print how long commands take at steady rates."""
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


async def tormented(place: Place, options: Namespace) -> list[str]:
    """Print what the audit finds after kills."""
    began = time.monotonic()
    say(f"two workers, {kills.RATE} commands a second, seed {options.seed}")
    sent, report = await kills.torment(
        await place.run("kills"),
        options.seed,
        lambda text: say(f"{time.monotonic() - began:6.1f} s  {text}"),
    )
    return _audited(report, sent)


def say(text: str) -> None:
    """Print it at once."""
    print(text, flush=True)  # noqa: T201 - the report


async def _worker(place: Place, options: Namespace) -> tuple[Measured, list[str]]:
    count = options.commands
    run = await place.run("drain")
    say(f"filling in {count} commands …")
    commands = await drain.fill(run, count, max(1, count // COMMANDS_A_ROOM), options.seed)
    say("draining them …")
    measured = await drain.measure(run, commands, options.profile)
    found = await outcomes.read(run)
    say("")
    say(outcomes.mix(commands, found))
    wrong = outcomes.unexpected(commands, found)
    say(f"\n{len(commands)} commands, {len(wrong)} with another outcome than expected")
    for line in wrong[:_SHOWN]:
        say(f"  {line}")
    return measured, wrong + _audited(await audit.audit(run.kafka, run.prefix), len(commands))


def _audited(report: audit.Report, sent: int) -> list[str]:
    say(
        f"audit of the topics: {report.commands} commands, {report.outcomes} outcomes, "
        f"{len(report.violations)} violations"
    )
    for violation in report.violations[:_SHOWN]:
        say(f"  {violation}")
    # The service's own clock may have written commands besides.
    missing = [f"{sent - report.commands} commands are missing"] if report.commands < sent else []
    return [*report.violations, *missing]


async def _plain(place: Place, workers: int, count: int, seed: int) -> Measured:
    rooms = count // COMMANDS_A_ROOM_PLAIN
    run = await place.run("plain")
    say(f"a plain handler with max_workers={workers}: {count} commands …")
    commands = await drain.fill(run, count, rooms, seed)
    return await baseline.measure(run, commands, rooms, seed, workers)


def _side_by_side(worker: Measured, plain: Measured, plain12: Measured) -> str:
    rows = [
        _row("one worker, everything on", worker, plain, plain12),
        _row("plain handler", plain, plain, plain12),
        _row("plain handler, max_workers=12", plain12, plain, plain12),
    ]
    head = ["", "commands/s", "times plain", "times plain 12", "CPU µs: Python", "Postgres", "Kafka", "all"]
    return table.show(head, rows)


def _row(name: str, measured: Measured, plain: Measured, plain12: Measured) -> list[str]:
    cost = measured.microseconds
    figures = [measured.rate, measured.rate / plain.rate, measured.rate / plain12.rate, *cost, sum(cost)]
    return [name, *map(table.number, figures)]
