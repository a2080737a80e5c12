"""What an audit has found so far, and the report that it becomes."""

from collections import Counter
from dataclasses import dataclass, field

MOST = 1000
"""How many violations are told one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the log proves. `violations` is empty where every promise was kept.

    `commands` counts distinct command ids, each commands topic by itself, `outcomes` those that have one.
    `unchecked` says in sentences what could not be proved, because its records are not in the log any more.
    """

    commands: int
    outcomes: int
    events: int
    rejections: int
    dead_letters: int
    violations: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


class Findings:
    """Collects what the checks of all lanes find."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._violations: list[str] = []
        self._more = 0
        self._unchecked: Counter[str] = Counter()

    def violation(self, what: str) -> None:
        """Note a broken promise."""
        if len(self._violations) < MOST:
            self._violations.append(what)
        else:
            self._more += 1

    def unchecked(self, what: str) -> None:
        """Note something that the log cannot prove, given without its place so that like ones add up."""
        self._unchecked[what] += 1

    def report(self) -> Report:
        """Return all that was found."""
        more = [f"and {self._more} more"] if self._more else []
        return Report(
            commands=self.counts["commands"],
            outcomes=self.counts["outcomes"],
            events=self.counts["events"],
            rejections=self.counts["rejections"],
            dead_letters=self.counts["dead_letters"],
            violations=self._violations + more,
            unchecked=[f"{what} ({count})" for what, count in sorted(self._unchecked.items())],
        )
