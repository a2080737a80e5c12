"""Results of a measurement."""

from dataclasses import dataclass

from bench.cpu import Usage


@dataclass(frozen=True)
class Measured:
    """Number of commands, elapsed seconds, and CPU time of each component."""

    commands: int
    seconds: float
    usage: Usage

    @property
    def rate(self) -> float:
        """Commands per second."""
        return self.commands / self.seconds

    @property
    def microseconds(self) -> Usage:
        """CPU time of one command, in microseconds."""
        return self.usage.times(1e6 / self.commands)
