"""Two workers under load, killed and stopped at random moments, and the audit of their topics."""

import asyncio
from random import Random

from bench import outcomes, worker
from bench.environment import BenchRun
from bench.printing import PrintLine
from bench.worker import WorkerProcess
from bench.workload import open_loop, traffic, traffic_producer
from cohost import audit

RATE = 800
KILLS = 10

_ROOMS = 300
_SESSION_MS = 1500
_STOPPED_SECONDS = 2.5 * _SESSION_MS / 1000
_LONGEST_PAUSE = 4.0
_DRAIN_SECONDS = 60


async def measure_kills(run: BenchRun, seed: int, print_line: PrintLine) -> tuple[int, audit.Report]:
    """Return the number of commands sent, and the audit report once all of them are decided."""
    made = traffic.generate_traffic(_ROOMS, seed)
    crew = await _WorkerPair.start_pair(run)
    try:
        async with traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix) as producer:
            await producer.send_facts(made)
            await crew.victim.wait_ready()
            done = asyncio.Event()
            sending = asyncio.create_task(_send_commands(producer, made, done))
            try:
                await _inject_faults(crew, Random(seed), print_line)  # noqa: S311 - a bad day, not a secret
            finally:
                done.set()
                sent = await sending
        print_line(f"waiting until all {sent} commands are decided and published")
        await _wait_drained(run)
    finally:
        await crew.stop_pair()
    return sent, await audit.audit(run.bootstrap_servers, run.prefix)


class _WorkerPair:
    """Two workers: the victim is killed repeatedly, the other one is stopped once."""

    def __init__(self, run: BenchRun, victim: WorkerProcess, other: WorkerProcess) -> None:
        self._run = run
        self.victim = victim
        self.other = other

    @classmethod
    async def start_pair(cls, run: BenchRun) -> "_WorkerPair":
        """Start both workers."""
        return cls(run, await _start_worker(run), await _start_worker(run))

    async def replace_victim(self) -> None:
        """Kill the victim and start a new worker in its place."""
        self.victim.process.kill()
        await self.victim.process.stop()
        self.victim = await _start_worker(self._run)

    async def stop_pair(self) -> None:
        """Stop both workers."""
        await asyncio.gather(self.victim.process.stop(), self.other.process.stop())


async def _start_worker(run: BenchRun) -> WorkerProcess:
    return await worker.start_worker(run, COHOST_SESSION_TIMEOUT_MS=str(_SESSION_MS))


async def _inject_faults(workers: _WorkerPair, random: Random, print_line: PrintLine) -> None:
    """Kill the victim at random moments; in three cases out of four it owns lanes by then."""
    stop_after = random.randrange(KILLS)
    for number in range(KILLS):
        if number % 4:
            await workers.victim.wait_ready()
        await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))
        print_line(f"SIGKILL {number + 1} of {KILLS}")
        await workers.replace_victim()
        if number == stop_after:
            print_line(
                f"SIGSTOP of the other for {_STOPPED_SECONDS:.1f} s (session time-out {_SESSION_MS} ms)"
            )
            workers.other.process.pause()
            await asyncio.sleep(_STOPPED_SECONDS)
            workers.other.process.resume()


async def _send_commands(
    producer: traffic_producer.TrafficProducer, made: traffic.Traffic, done: asyncio.Event
) -> int:
    commands, sent = made.iterate_commands(), 0
    while not done.is_set():
        sent += len(await open_loop.send_at_rate(producer.send_command, commands, RATE, RATE // 2))
    return sent


async def _wait_drained(run: BenchRun) -> None:
    async with outcomes.open_consumer(run) as reader:
        # The service's sweeper may have written commands too, so only the end offsets tell the total.
        ends = await reader.end_offsets(outcomes.command_partitions(run))
    lanes = {place.partition: end for place, end in ends.items()}
    await worker.wait_published(run, lanes, _DRAIN_SECONDS)
