"""Two workers under load, killed and stopped at random moments, and the audit of their topics."""

import asyncio
from collections.abc import Callable
from random import Random

from bench import load, outcomes, producing, traffic, worker
from bench.place import Run
from bench.worker import Worker
from cohost import audit

RATE = 800
KILLS = 10

_ROOMS = 300
_SESSION_MS = 1500
_STOPPED_SECONDS = 2.5 * _SESSION_MS / 1000
_LONGEST_PAUSE = 4.0
_DRAIN_SECONDS = 60
_LOOK_SECONDS = 0.1

Say = Callable[[str], None]


async def torment(run: Run, seed: int, say: Say) -> tuple[int, audit.Report]:
    """Return the number of commands sent, and the audit report once all of them are decided."""
    made = traffic.make(_ROOMS, seed)
    crew = await _Crew.start(run)
    try:
        async with producing.Producer(run.kafka, run.prefix) as producer:
            await producer.facts(made)
            await crew.victim.ready()
            done = asyncio.Event()
            sending = asyncio.create_task(_send(producer, made, done))
            try:
                await _strike(crew, Random(seed), say)  # noqa: S311 - a bad day, not a secret
            finally:
                done.set()
                sent = await sending
        say(f"waiting until all {sent} commands are decided and published")
        await _drained(run)
    finally:
        await crew.stop()
    return sent, await audit.audit(run.kafka, run.prefix)


class _Crew:
    """Two workers: the victim is killed repeatedly, the other one is stopped once."""

    def __init__(self, run: Run, victim: Worker, other: Worker) -> None:
        self._run = run
        self.victim = victim
        self.other = other

    @classmethod
    async def start(cls, run: Run) -> "_Crew":
        """Start both workers."""
        return cls(run, await _worker(run), await _worker(run))

    async def kill(self) -> None:
        """Kill the victim and start a new worker in its place."""
        self.victim.running.kill()
        await self.victim.running.stop()
        self.victim = await _worker(self._run)

    async def stop(self) -> None:
        """Stop both workers."""
        await asyncio.gather(self.victim.running.stop(), self.other.running.stop())


async def _worker(run: Run) -> Worker:
    return await worker.start(run, COHOST_SESSION_TIMEOUT_MS=str(_SESSION_MS))


async def _strike(crew: _Crew, random: Random, say: Say) -> None:
    """Kill the victim at random moments; in three cases out of four it owns lanes by then."""
    stop_after = random.randrange(KILLS)
    for number in range(KILLS):
        if number % 4:
            await crew.victim.ready()
        await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))
        say(f"SIGKILL {number + 1} of {KILLS}")
        await crew.kill()
        if number == stop_after:
            say(f"SIGSTOP of the other for {_STOPPED_SECONDS:.1f} s (session time-out {_SESSION_MS} ms)")
            crew.other.running.pause()
            await asyncio.sleep(_STOPPED_SECONDS)
            crew.other.running.resume()


async def _send(producer: producing.Producer, made: traffic.Traffic, done: asyncio.Event) -> int:
    commands, sent = made.turns(), 0
    while not done.is_set():
        sent += len(await load.send(producer.command, commands, RATE, RATE // 2))
    return sent


async def _drained(run: Run) -> None:
    async with outcomes.consumer(run) as reader:
        # The service's sweeper may have written commands too, so only the end offsets tell the total.
        ends = await reader.end_offsets(outcomes.command_places(run))
    lanes = {place.partition: end for place, end in ends.items()}
    connection = await run.connect()
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while True:
                standing = await worker.standing(connection)
                if standing.past(lanes) and standing.published:
                    return
                await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await connection.close()
