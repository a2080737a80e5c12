"""Results of a measurement."""

from dataclasses import dataclass

from bench.cpu import CpuUsage


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
