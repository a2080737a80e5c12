"""An open loop on the topics of a run: commands at a rate, and the latency of their outcomes."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from bench.environment import BenchRun
from bench.measurements.latency import WARM_UP_SECONDS, LatencyResult, summarize_latency
from bench.workload import open_loop, traffic, traffic_producer
from bench.workload.open_loop import OutcomeTimes
from bench.workload.simulated_room import PlannedCommand
from bench.workload.traffic_producer import EncodedCommand, TrafficProducer

ROOMS = 1000
LATE_SECONDS = 2
"""A rate is held if every outcome has arrived by this time after the last command was due."""

_DRAIN_SECONDS = 60


@dataclass(frozen=True)
class RateResult:
    """Latency at a rate, or None if the rate was not held.

    `measurer_cpu` is the share of one processor that sending and reading took. `sender_p99` is how late
    commands were sent, in ms, which is a part of their latency.
    """

    rate: int
    latency: LatencyResult | None
    measurer_cpu: float
    sender_p99: float


@dataclass
class OpenLoopRun:
    """A sender and a reader of outcomes; a program that handles the commands runs beside them.

    By command id `due` has when it was due, if it was measured, `sent_at` when the producer got it, and
    `confirmed_at` when Kafka confirmed it, in `time.monotonic()`.
    """

    producer: TrafficProducer
    arrivals: OutcomeTimes
    commands: Iterator[PlannedCommand]
    due: dict[str, float] = field(default_factory=dict)
    sent_at: dict[str, float] = field(default_factory=dict)
    confirmed_at: dict[str, float] = field(default_factory=dict)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, run: BenchRun, seed: int, *, with_facts: bool = True) -> AsyncIterator["OpenLoopRun"]:
        """Write the facts that the commands need, and read outcomes during the block."""
        made = traffic.generate_traffic(ROOMS, seed)
        async with traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix) as producer:
            if with_facts:
                await producer.send_facts(made)
            async with OutcomeTimes.record(run) as arrivals:
                yield cls(producer, arrivals, made.iterate_commands())

    async def measure_rate(self, rate: int, seconds: float) -> RateResult:
        """Send for `seconds`, after a warm-up at the same rate."""
        warm_up = self._encode_commands(rate * WARM_UP_SECONDS)
        commands = self._encode_commands(round(rate * seconds))
        # A collection would stop sender and reader for longer than a command takes.
        gc.collect()
        gc.disable()
        try:
            await open_loop.send_at_rate(self._send_command, iter(warm_up), rate, len(warm_up))
            began, used = time.monotonic(), time.process_time()
            due = await open_loop.send_at_rate(self._send_command, iter(commands), rate, len(commands))
            share = (time.process_time() - used) / (time.monotonic() - began)
            self.due |= due
            is_held = await self._wait_for_outcomes(due, LATE_SECONDS)
        finally:
            gc.enable()
        late = summarize_latency(1000 * (self.sent_at[id_] - at) for id_, at in due.items())
        found = summarize_latency(self.arrivals.latencies(due)) if is_held else None
        return RateResult(rate, found, share, late.p99)

    async def send_first(self) -> None:
        """Send one command, and wait until Kafka confirms it."""
        for command in self._encode_commands(1):
            await (await self._send_command(command))

    async def drain(self) -> None:
        """Wait until everything sent has an outcome."""
        if not await self._wait_for_outcomes(self.sent_at, _DRAIN_SECONDS):
            msg = f"commands had no outcome after {_DRAIN_SECONDS} s"
            raise TimeoutError(msg)

    def _encode_commands(self, count: int) -> list[EncodedCommand]:
        return [self.producer.encode_command(command) for command in islice(self.commands, count)]

    async def _send_command(self, command: EncodedCommand) -> asyncio.Future[object]:
        self.sent_at[command.id] = time.monotonic()
        future = await self.producer.send_encoded(command)
        future.add_done_callback(lambda _: self.confirmed_at.setdefault(command.id, time.monotonic()))
        return future

    async def _wait_for_outcomes(self, sent: Mapping[str, float], seconds: float) -> bool:
        """Return whether all outcomes arrived in time."""
        with contextlib.suppress(TimeoutError):
            await self.arrivals.wait_for(sent.keys(), seconds)
            return True
        return False
