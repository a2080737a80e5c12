"""`python -m bench`: measure the pipeline on a temporary Kafka and Postgres.

cost     processor time of a command by step, beside a raw passthrough of the same bytes
drain    one worker drains prefilled topics, beside plain FastStream handlers; CPU from Linux' /proc
latency  10 to 10 000 commands per second and the knee, beside the plain handler; a command step by step
grants   one broadcast worker grants permissions on a fake LiveKit server: all at once, and at steady rates
kills    two workers under load, one killed ten times, one stopped; then the audit of the topics
gateway  one copy of the gateway: commands beside the pipeline and a bare handler; clients of live streams
traces   the same drain with traces off, and on with none and with 1 % of the commands sampled
growth   cost, memory, start and takeover with up to --largest invitations and rooms stored
soak     both services under steady load for --minutes, a snapshot held open for a third of them: is it flat?
peers    the same commands by plain handlers, an outbox with a relay, Kafka Streams and Quix Streams

Without an argument: all of them but growth and soak. The exit status is 1 if an outcome was wrong. `--save`
keeps results in bench/results/, and from there

plots    draws them into docs/images/
tables   writes them into docs/performance.md
"""

import argparse
import asyncio
import logging
import os
import pstats
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

import uvloop

from bench import report
from bench.cost import cost_report
from bench.environment import BenchEnvironment, open_environment
from bench.gateway import gateway_report
from bench.growth import growth_report
from bench.ladder import ladder_report
from bench.measurements import traces_report
from bench.pages import result_page
from bench.peers import peers_report
from bench.plots import draw
from bench.printing import print_line
from bench.soak import soak_report
from cohost.kafka import patches
from stack import StartError

_HOTTEST = 30

Measurement = Callable[[BenchEnvironment, argparse.Namespace], Awaitable[list[str]]]

_MEASUREMENTS: dict[str, Measurement] = {
    "cost": partial(cost_report.report_cost, print_line=print_line),
    "drain": report.run_drain,
    "latency": partial(ladder_report.report_latency, print_line=print_line),
    "grants": report.run_grants,
    "kills": report.run_kills,
    "gateway": partial(gateway_report.report_gateway, print_line=print_line),
    "traces": partial(traces_report.report_traces, print_line=print_line),
    "growth": partial(growth_report.report_growth, print_line=print_line),
    "soak": partial(soak_report.report_soak, print_line=print_line),
    "peers": partial(peers_report.report_peers, print_line=print_line),
}
_ONLY_ALONE = frozenset({"growth", "soak"})
# What needs saved results alone; each returns the files that it has written.
_FROM_RESULTS: dict[str, Callable[[], Iterable[Path]]] = {
    "plots": draw.draw_plots,
    "tables": lambda: [result_page.write_page()],
}


def main() -> int:
    """Run the requested measurements and return the exit status."""
    options = _parse_options()
    if options.what in _FROM_RESULTS:
        for path in _FROM_RESULTS[options.what]():
            print_line(f"written: {path}")
        return 0
    # The clients log every transient error of a broker whose topics are seconds old.
    logging.disable(logging.CRITICAL)
    patches.apply_patches()
    try:
        wrong = uvloop.run(_run_measurements(options))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("\ninterrupted\n")
        return 130
    if options.profile is not None:
        pstats.Stats(str(options.profile)).sort_stats("tottime").print_stats(_HOTTEST)
    return 1 if wrong else 0


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", nargs="?", choices=[*_MEASUREMENTS, *_FROM_RESULTS], help="default: all of them"
    )
    parser.add_argument("--commands", type=int, default=100_000, help="to drain (default 100000)")
    parser.add_argument("--grants", type=int, default=10_000, help="to make (default 10000)")
    parser.add_argument(
        "--livekit", action="store_true", help="grants: also with clients of a real LiveKit server"
    )
    parser.add_argument("--seconds", type=int, default=10, help="of steady load at each rate (default 10)")
    parser.add_argument("--clients", type=int, default=1_000, help="of live streams (default 1000)")
    parser.add_argument(
        "--largest", type=int, default=10_000_000, help="number of stored rows for growth (default 10000000)"
    )
    parser.add_argument("--minutes", type=int, default=30, help="of soak (default 30)")
    parser.add_argument("--seed", type=int, default=1, help="of traffic and kills (default 1)")
    parser.add_argument("--save", action="store_true", help="write the results to bench/results/")
    recorded = parser.add_mutually_exclusive_group()
    recorded.add_argument(
        "--check",
        action="store_true",
        help="cost: fail if it is 15 %% above the recorded one; takes less than two minutes",
    )
    recorded.add_argument("--record", action="store_true", help="cost: record it in bench/recorded/cost.json")
    parser.add_argument(
        "--profile",
        type=Path,
        help="profile the drain worker, or the burst-grants worker, with cProfile into this file",
    )
    return parser.parse_args()


async def _run_measurements(options: argparse.Namespace) -> list[str]:
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    began = time.monotonic()
    wrong: list[str] = []
    async with open_environment() as environment:
        print_line(
            f"Kafka and Postgres on {os.cpu_count()} processors with the rest, "
            f"load average {environment.load_average:.1f}, seed {options.seed}"
        )
        for name, measure in _MEASUREMENTS.items():
            if options.what == name or (options.what is None and name not in _ONLY_ALONE):
                print_line(f"\n== {name}")
                wrong += await measure(environment, options)
    # A measurement alone ends with its own result.
    if options.what is None:
        print_line(f"\n{time.monotonic() - began:.0f} s in all")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
