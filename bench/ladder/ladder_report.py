"""Report of the latency ladder. The run function returns a line per wrong result, or an empty list."""

from argparse import Namespace
from collections.abc import Sequence

from bench import results_file, tables
from bench.environment import BenchEnvironment
from bench.ladder import command_steps, rates
from bench.ladder.command_steps import StepResult
from bench.ladder.open_loop_run import RateResult
from bench.ladder.rates import KNEE_P99_MS, RATES
from bench.printing import PrintLine
from bench.result_shapes import LatencyData, LatencyRung, StepLatency
from bench.results_file import round_figure

PIPELINE = "pipeline"
PLAIN_HANDLER = "plain handler"


async def report_latency(
    environment: BenchEnvironment, options: Namespace, print_line: PrintLine
) -> list[str]:
    """Print the latency of commands at rising rates, and where the time of one goes."""
    seconds, seed = options.seconds, options.seed
    print_line(f"one worker, {seconds} s at each rate …")
    own, knee = await rates.measure_pipeline(environment, seconds, seed, print_line)
    print_line(f"the plain handler, {seconds} s at each rate …")
    plain = await rates.measure_plain_handler(environment, seconds, seed, print_line)
    print_line(f"a command by step, at {command_steps.RATE} a second …")
    steps = await command_steps.measure_steps(environment, 2 * seconds, seed)
    data: LatencyData = {
        "seconds": seconds,
        "ladder": [*describe_rungs(PIPELINE, own), *describe_rungs(PLAIN_HANDLER, plain)],
        "knee": knee,
        "knee_p99_limit_ms": KNEE_P99_MS,
        "steps": [_describe_step(each) for each in steps],
    }
    _print_tables(data, print_line)
    results_file.save_result("latency", data, environment, options)
    return []


def describe_rungs(name: str, found: Sequence[RateResult]) -> list[LatencyRung]:
    """Return the ladder of a program; a rate above one that it does not hold is not held either."""
    by_rate = {each.rate: each for each in found}
    return [_describe_rung(name, rate, by_rate.get(rate)) for rate in RATES]


def _describe_rung(name: str, rate: int, found: RateResult | None) -> LatencyRung:
    rung: LatencyRung = {
        "name": name,
        "rate": rate,
        "commands": 0,
        "p50_ms": None,
        "p99_ms": None,
        "longest_ms": None,
        "spectrum": [],
        "measurer_cpu": None if found is None else round_figure(found.measurer_cpu),
        "sender_p99_ms": None if found is None else round_figure(found.sender_p99),
    }
    if found is not None and (latency := found.latency) is not None:
        rung["commands"] = latency.commands
        rung["p50_ms"], rung["p99_ms"] = round_figure(latency.p50), round_figure(latency.p99)
        rung["longest_ms"] = round_figure(latency.longest)
        rung["spectrum"] = [(percentile, round_figure(ms)) for percentile, ms in latency.spectrum]
    return rung


def _describe_step(found: StepResult) -> StepLatency:
    latency = found.latency
    return {"name": found.name, "p50_ms": round_figure(latency.p50), "p99_ms": round_figure(latency.p99)}


def _print_tables(data: LatencyData, print_line: PrintLine) -> None:
    print_line("\nfrom a command's due time to its outcome at a read_committed reader, in ms")
    rows = [_format_rung(rung) for rung in data["ladder"]]
    print_line(tables.format_table(["", "rate", "commands", "p50", "p99", "longest"], rows))
    knee = "below all of these rates" if data["knee"] is None else f"{data['knee']} a second"
    print_line(f"\nhighest rate with a p99 of at most {KNEE_P99_MS} ms: {knee}")
    print_line(f"\nwhere the time of a command goes at {command_steps.RATE} a second, in ms")
    print_line(tables.format_table(["until it is", "p50", "p99"], list(map(_format_step, data["steps"]))))


def _format_rung(rung: LatencyRung) -> list[str]:
    figures = [rung["p50_ms"], rung["p99_ms"], rung["longest_ms"]]
    shown = ["cannot hold", *["-"] * 2] if None in figures else [f"{ms:.1f}" for ms in figures]
    return [rung["name"], str(rung["rate"]), str(rung["commands"]), *shown]


def _format_step(step: StepLatency) -> list[str]:
    return [step["name"], f"{step['p50_ms']:.1f}", f"{step['p99_ms']:.1f}"]
