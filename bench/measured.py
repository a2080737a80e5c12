"""What a measurement found."""

from dataclasses import dataclass

from bench.cpu import Usage


@dataclass(frozen=True)
class Measured:
    """So many commands took so many seconds, and of each part so much processor time."""

    commands: int
    seconds: float
    usage: Usage

    @property
    def rate(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds

    @property
    def microseconds(self) -> Usage:
        """Processor time of one command."""
        return self.usage.times(1e6 / self.commands)
