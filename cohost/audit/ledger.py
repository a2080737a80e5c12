"""What a service's commands came to, over all lanes: one id may lie in several partitions."""

from cohost.audit.findings import Findings

RETENTION_MS = 7 * 24 * 60 * 60 * 1000
"""How long the services remember a command's id (contract, section 3)."""


class Ledger:
    """The ids of one commands topic. An id that comes back after the retention may have a second outcome."""

    def __init__(self, topic: str, findings: Findings) -> None:
        self._topic = topic
        self._findings = findings
        self._oldest: int | None = None
        self._decided: set[str] = set()
        self._undecided: dict[str, int] = {}
        self._again: dict[str, int] = {}
        self._seconds: list[tuple[str, str]] = []

    def met(self, timestamp: int) -> None:
        """Note a command's time."""
        if self._oldest is None or timestamp < self._oldest:
            self._oldest = timestamp

    def again(self, identifier: str, timestamp: int) -> None:
        """Note that an id came back, in whatever lane."""
        self._again[identifier] = max(timestamp, self._again.get(identifier, timestamp))

    def known(self, identifier: str) -> bool:
        """Say whether an earlier lane had this id."""
        return identifier in self._decided or identifier in self._undecided

    def decided(self, identifier: str) -> None:
        """Note that a lane has the outcome of a command."""
        if identifier in self._decided:
            self.second(identifier, "in another partition")
        self._decided.add(identifier)
        self._undecided.pop(identifier, None)

    def undecided(self, identifier: str, offset: int) -> None:
        """Note that a lane has the command, and not its outcome."""
        if identifier not in self._decided:
            self._undecided.setdefault(identifier, offset)

    def second(self, identifier: str, where: str) -> None:
        """Note a second outcome of a command."""
        self._seconds.append((identifier, where))

    def close(self) -> None:
        """Say which commands have no outcome, or two, and count them."""
        for identifier, where in self._seconds:
            if self._late(identifier):
                self._findings.unchecked("second outcomes of commands that came back after a week")
            else:
                self._findings.violation(
                    f"command {identifier} of {self._topic} has a second outcome, {where}"
                )
        for identifier, offset in self._undecided.items():
            self._findings.violation(
                f"command {identifier} of {self._topic}, offset {offset}, has no outcome"
            )
        self._findings.counts["commands"] += len(self._decided) + len(self._undecided)
        self._findings.counts["outcomes"] += len(self._decided)

    def _late(self, identifier: str) -> bool:
        again = self._again.get(identifier)
        return again is not None and self._oldest is not None and again - self._oldest > RETENTION_MS
