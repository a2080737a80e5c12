"""Report of what a command costs. The run function returns a line per wrong result, or an empty list."""

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import median
from typing import Literal

from bench import results_file, saved_data, tables
from bench.cost import cost_round
from bench.cost.cost_round import CostRound
from bench.cost.recorded import UNIT, RecordedCost
from bench.environment import BenchEnvironment
from bench.printing import PrintLine
from bench.result_shapes import CostData, CostItem

COMMANDS = 30_000
WARM_UP = 10_000
ROUNDS = 5

_SHOWN = 5
_SPREAD: tuple[Literal["lowest", "median", "highest"], ...] = ("lowest", "median", "highest")


async def report_cost(environment: BenchEnvironment, options: Namespace, print_line: PrintLine) -> list[str]:
    """Print the processor time of a command by step, beside that of a passthrough of the same bytes."""
    recorded = RecordedCost.from_file() if options.check else None
    rounds: list[CostRound] = []
    wrong: list[str] = []
    began = time.monotonic()
    await _measure_round(environment, WARM_UP, options.seed)
    while _needs_round(rounds, recorded, began):
        found, unexpected = await _measure_round(environment, COMMANDS, options.seed)
        rounds.append(found)
        wrong += unexpected
        print_line(f"round {len(rounds)}: {found.ratio:.1f} {UNIT}")
    data = describe_rounds(rounds)
    _print_table(data, rounds, print_line)
    results_file.save_result("cost", data, environment, options)
    if options.record and not wrong:
        RecordedCost.from_rounds(rounds).write()
    if recorded is not None and (rise := recorded.describe_rise(rounds)) is not None:
        wrong.insert(0, rise)
    for line in wrong[:_SHOWN]:
        print_line(line)
    print_line(f"cost of a command: {median(found.ratio for found in rounds):.1f} {UNIT}")
    return wrong


def _needs_round(rounds: Sequence[CostRound], recorded: RecordedCost | None, began: float) -> bool:
    if recorded is None:
        return len(rounds) < ROUNDS
    return recorded.needs_round(rounds, time.monotonic() - began)


async def _measure_round(environment: BenchEnvironment, count: int, seed: int) -> tuple[CostRound, list[str]]:
    run = await environment.create_run("cost")
    commands = await cost_round.fill_topics(run, count, seed)
    found = await cost_round.measure_round(run, commands)
    return found, await cost_round.find_unexpected(run, commands)


def describe_rounds(rounds: Sequence[CostRound]) -> CostData:
    """Return the data of rounds: each figure with its lowest, median and highest."""
    wholes = [sum(found.passthrough_costs().values()) for found in rounds]
    steps = [found.step_costs() for found in rounds]
    passed = [found.passthrough_costs() for found in rounds]
    return {
        "commands": COMMANDS,
        "rounds": len(rounds),
        "steps": _describe_items(steps, wholes),
        "whole": _describe_item("a command", [sum(costs.values()) for costs in steps], wholes),
        "passthrough": _describe_items(passed, wholes),
        "whole_passthrough": _describe_item("a passthrough", wholes, wholes),
    }


def _describe_items(costs: Sequence[Mapping[str, float]], wholes: Sequence[float]) -> list[CostItem]:
    return [_describe_item(name, [each[name] for each in costs], wholes) for name in costs[0]]


def _describe_item(name: str, costs: Sequence[float], wholes: Sequence[float]) -> CostItem:
    ratios = [cost / whole for cost, whole in zip(costs, wholes, strict=True)]
    return {
        "name": name,
        "us": saved_data.describe_spread(costs),
        "ratio": saved_data.describe_spread(ratios),
    }


def _print_table(data: CostData, rounds: Sequence[CostRound], print_line: PrintLine) -> None:
    items = [*data["steps"], data["whole"], *data["passthrough"], data["whole_passthrough"]]
    print_line("\nprocessor time of a command in µs, and as a multiple of a passthrough's in the same round")
    head = ["", *("lowest", "median", "highest"), *("ratio: lowest", "median", "highest")]
    print_line(tables.format_table(head, list(map(_format_row, items))))
    samples = sum(found.samples.total() for found in rounds)
    # Two standard errors of a step that takes a tenth of the time.
    error = 2 * sqrt(0.1 * 0.9 / samples) * median(found.worker.cpu_microseconds.worker for found in rounds)
    print_line(
        f"\nThe steps share the worker's time by {samples} samples, which stand for "
        f"{median(found.coverage for found in rounds):.0%} of it: a step is exact to about ± {error:.1f} µs."
    )


def _format_row(item: CostItem) -> list[str]:
    return [
        item["name"],
        *(f"{item['us'][each]:.1f}" for each in _SPREAD),
        *(f"{item['ratio'][each]:.2f}" for each in _SPREAD),
    ]
