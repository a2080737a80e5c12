"""Results of a measurement."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.cpu import CpuMeter, CpuUsage


@dataclass(frozen=True)
class Measurement:
    """Number of commands, elapsed seconds, and CPU time of each component."""

    commands: int
    seconds: float
    usage: CpuUsage

    def add(self, other: "Measurement") -> "Measurement":
        """Return both as one."""
        return Measurement(
            self.commands + other.commands, self.seconds + other.seconds, self.usage.add(other.usage)
        )

    @property
    def per_second(self) -> float:
        """Commands per second."""
        return self.commands / self.seconds

    @property
    def cpu_microseconds(self) -> CpuUsage:
        """CPU time of one command, in microseconds."""
        return self.usage.scale(1e6 / self.commands)


class UsageWindow:
    """Time and CPU usage since the object was created; `idle` is the idle components' usage per second."""

    def __init__(self, meter: CpuMeter, idle: CpuUsage, workers: Sequence[int]) -> None:
        self._meter = meter
        self._idle = idle
        self._workers = workers
        self._before, self._began = meter.read_usage_of(workers), time.monotonic()

    def finish(self, commands: int) -> Measurement:
        """Return the measurement of these commands until now, without what idle components use."""
        seconds = time.monotonic() - self._began
        usage = self._meter.read_usage_of(self._workers).subtract(self._before)
        return Measurement(commands, seconds, usage.subtract(self._idle.scale(seconds)))
