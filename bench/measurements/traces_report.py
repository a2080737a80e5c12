"""Report of what traces cost a worker. The run function returns a line per wrong result, or an empty list."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from statistics import median

from bench import results_file, saved_data, tables
from bench.environment import BenchEnvironment
from bench.measurements import drain, traces
from bench.measurements.traces import TracedDrain
from bench.printing import PrintLine
from bench.result_shapes import TracesData

ROUNDS = 6


async def report_traces(
    environment: BenchEnvironment, options: Namespace, print_line: PrintLine
) -> list[str]:
    """Print what traces cost a worker, as ratios to the same drain without them."""
    await drain.warm_up(environment, options.seed)
    rounds: list[dict[str, TracedDrain]] = []
    for number in range(ROUNDS):
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
    base = traces.VARIANTS[0].name
    data: TracesData = {
        "rounds": ROUNDS,
        "variants": [saved_data.describe_traces(each.name, base, rounds) for each in traces.VARIANTS],
    }
    results_file.save_result("traces", data, environment, options)
    return [
        f"{variant.name}: {found[variant.name].spans} spans"
        for found in rounds
        for variant in traces.VARIANTS
        if bool(found[variant.name].spans) is not (variant.is_on and variant.is_sampled)
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
