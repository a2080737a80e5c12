"""One round: a worker between two halves of a passthrough, all on the same topics."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from bench import outcomes, worker
from bench.baseline import measurement
from bench.cost.sampler import SAMPLE_SECONDS, StepCounters
from bench.cost.steps import STEPS, Step
from bench.environment import BenchRun
from bench.measurements import drain
from bench.results import Measurement
from bench.workload import traffic, traffic_producer
from bench.workload.simulated_room import PlannedCommand
from cohost_schemas import topics

PASSES = 6
"""Times that each half reads the records: it needs so little that the kernel would count few ticks of one."""


@dataclass(frozen=True)
class CostRound:
    """A worker's drain with its samples by step, and a passthrough of the same records."""

    worker: Measurement
    samples: Counter[Step]
    passthrough: Measurement

    def step_costs(self) -> dict[str, float]:
        """Return the processor time of a command in µs: of each step of the worker, and of the servers."""
        usage = self.worker.cpu_microseconds
        share = usage.worker / (self.samples.total() or 1)
        steps: dict[str, float] = {step: share * self.samples[step] for step in STEPS}
        return {**steps, "Postgres": usage.postgres, "Kafka": usage.kafka}

    def passthrough_costs(self) -> dict[str, float]:
        """Return the processor time of a record in µs that is passed through, in the process and in Kafka.

        Not in Postgres, which it does not use: what Postgres does then was left by the worker.
        """
        usage = self.passthrough.cpu_microseconds
        return {"passthrough's process": usage.worker, "passthrough's Kafka": usage.kafka}

    @property
    def ratio(self) -> float:
        """The cost of a command as a multiple of a passthrough's."""
        return sum(self.step_costs().values()) / sum(self.passthrough_costs().values())

    def ratios(self) -> dict[str, float]:
        """Return the costs by step, and of the servers, as multiples of a passthrough's."""
        whole = sum(self.passthrough_costs().values())
        return {name: cost / whole for name, cost in self.step_costs().items()}

    @property
    def coverage(self) -> float:
        """The share of the worker's processor time that the samples stand for."""
        return self.samples.total() * SAMPLE_SECONDS / self.worker.usage.worker


async def fill_topics(run: BenchRun, count: int, seed: int) -> list[PlannedCommand]:
    """Write facts and commands to the topics, and return the commands, none of which has to wait."""
    made = traffic.generate_traffic(traffic.rooms_for(count), seed)
    commands = list(islice(made.iterate_commands(), count))
    async with traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix, linger_ms=5) as producer:
        await producer.send_facts(made)
        await producer.send_commands(commands)
    return commands


async def measure_round(run: BenchRun, commands: Sequence[PlannedCommand]) -> CostRound:
    """Measure the worker between two halves of the passthrough: what else the machine does may change."""
    before = await measure_passthrough(run, len(commands))
    drained, samples = await _measure_worker(run, commands)
    after = await measure_passthrough(run, len(commands))
    return CostRound(drained, samples, before.add(after))


async def find_unexpected(run: BenchRun, commands: Sequence[PlannedCommand]) -> list[str]:
    """Return a line for each command with another outcome than the expected one."""
    return outcomes.find_unexpected(commands, await outcomes.read_outcomes(run))


async def _measure_worker(
    run: BenchRun, commands: Sequence[PlannedCommand]
) -> tuple[Measurement, Counter[Step]]:
    path = run.stack.root / f"{run.prefix}steps"
    counters = StepCounters(path)
    launcher = ("-m", "bench.cost.sampled_worker", str(path))
    async with worker.run_worker(run, launcher=launcher) as process:
        first, last = await drain.watch_drain(run, process, commands, counters.read_counts)
    return drain.measure_between(run, commands, first, last), last.steps - first.steps


async def measure_passthrough(run: BenchRun, count: int) -> Measurement:
    """Pass the first commands of the topics through, `PASSES` times after a first one that is warm-up."""
    options = {
        "bootstrap_servers": run.bootstrap_servers,
        "source": topics.INVITATION_COMMANDS.full_name(run.prefix),
        # Nothing of a run with the invitations service alone reads or writes this one.
        "target": topics.BROADCAST_EVENTS.full_name(run.prefix),
        "partitions": topics.DEFAULT_PARTITIONS,
        "count": count,
        "passes": PASSES,
    }
    return await measurement.measure_consumer(run, "bench.cost.passthrough", options, PASSES * count)
