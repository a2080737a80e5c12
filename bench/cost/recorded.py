"""The recorded cost of a command, in a file of the repository, and the comparison with it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

from bench.cost.cost_round import CostRound

RECORDED_FILE = Path(__file__).parents[1] / "recorded" / "cost.json"

UNIT = "\N{MULTIPLICATION SIGN} passthrough"

_MAX_RISE = 0.15
_SHOWN = 3
# A check must not take two minutes: the last round is left out if it would begin later than this.
_MAX_ROUNDS = 6
_LAST_ROUND_SECONDS = 90


@dataclass(frozen=True)
class RecordedCost:
    """The cost of a command as a multiple of a passthrough's, whole and by step."""

    ratio: float
    steps: Mapping[str, float]

    @classmethod
    def from_rounds(cls, rounds: Sequence[CostRound]) -> Self:
        """Return the medians of the rounds."""
        ratios = [found.ratios() for found in rounds]
        steps = {name: round(median(each[name] for each in ratios), 2) for name in ratios[0]}
        return cls(round(median(found.ratio for found in rounds), 2), steps)

    @classmethod
    def from_file(cls, path: Path = RECORDED_FILE) -> Self:
        """Read what was recorded."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path = RECORDED_FILE) -> None:
        """Record this cost in place of the last one."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"ratio": self.ratio, "steps": self.steps}, indent=2) + "\n")

    @property
    def limit(self) -> float:
        """The ratio above which a command costs too much."""
        return self.ratio * (1 + _MAX_RISE)

    def needs_round(self, rounds: Sequence[CostRound], seconds: float) -> bool:
        """Return whether a check that took so long, with these rounds, needs another one.

        One round within the limit is enough: what else the machine does makes a command dearer, not cheaper.
        """
        if any(found.ratio <= self.limit for found in rounds):
            return False
        return len(rounds) < _MAX_ROUNDS and seconds < _LAST_ROUND_SECONDS

    def describe_rise(self, rounds: Sequence[CostRound]) -> str | None:
        """Return a sentence if a command costs too much in each round, with the steps that rose most."""
        lowest = min(rounds, key=lambda found: found.ratio)
        if lowest.ratio <= self.limit:
            return None
        rises = {name: ratio - self.steps.get(name, 0) for name, ratio in lowest.ratios().items()}
        most = sorted(rises, key=lambda name: rises[name], reverse=True)[:_SHOWN]
        return (
            f"at least {lowest.ratio:.1f} {UNIT}, but recorded are {self.ratio:.1f}, and "
            f"{self.limit:.1f} is the limit; most rose: "
            + ", ".join(f"{name} {rises[name]:+.1f}" for name in most)
        )
