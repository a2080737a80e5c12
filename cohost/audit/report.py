"""The audit report and its builder."""

from collections import Counter
from dataclasses import dataclass, field

MAX_VIOLATIONS = 1000
"""The number of violations that the report lists; the rest are only counted."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit. `violations` is empty if every promise of the contract was kept.

    `commands` counts distinct command ids per commands topic, `outcomes` those of them that have an outcome.
    `unchecked` lists what could not be checked, because its records are no longer in the log.
    """

    commands: int
    outcomes: int
    events: int
    rejections: int
    dead_letters: int
    violations: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


class ReportBuilder:
    """Collect the results of the checks of all lanes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._violations: list[str] = []
        self._omitted = 0
        self._unchecked: Counter[str] = Counter()

    def add_violation(self, violation: str) -> None:
        """Add a broken promise."""
        if len(self._violations) < MAX_VIOLATIONS:
            self._violations.append(violation)
        else:
            self._omitted += 1

    def add_unchecked(self, reason: str) -> None:
        """Add a kind of records that cannot be checked; equal kinds are counted together."""
        self._unchecked[reason] += 1

    def build_report(self) -> Report:
        """Return the report of all results."""
        more = [f"and {self._omitted} more"] if self._omitted else []
        return Report(
            commands=self.counts["commands"],
            outcomes=self.counts["outcomes"],
            events=self.counts["events"],
            rejections=self.counts["rejections"],
            dead_letters=self.counts["dead_letters"],
            violations=self._violations + more,
            unchecked=[f"{reason} ({count})" for reason, count in sorted(self._unchecked.items())],
        )
