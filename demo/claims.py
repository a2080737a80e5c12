"""Claims that the demo verifies, and the table of them at its end."""

from enum import StrEnum

_KEPT, _BROKEN = "yes", "NO"


class Claim(StrEnum):
    """Everything that must have happened by the end of the demo, in its order."""

    OPENED = "the room goes from idle to live"
    CONNECTED = "host and viewers are connected to LiveKit"
    PROMOTED = "bob accepts and is promoted in place"
    HEARD = "the host hears bob's tone"
    REFUSED = "bob's second accept is refused and says why"
    DECLINED = "carol declines and is invited again"
    CANCELLED = "dave's invitation is cancelled"
    ABSENT = "frank accepts while absent, then joins"
    RETURNED = "carol drops out and comes back in time"
    MUTED = "carol is muted hard"
    INTRUDER = "mallory, promoted outside of Co-Host, is removed"
    EXPIRED = "erin's invitation runs out"
    REMOVED = "the host removes bob: his track disappears"
    ENDED = "the room ends, and everybody's permissions with it"
    AUDITED = "every command has exactly one outcome"


class Claims:
    """The claims verified so far."""

    def __init__(self) -> None:
        self._kept: dict[Claim, str] = {}

    def kept(self, claim: Claim, seen: str) -> None:
        """Record that a claim is verified, with the evidence."""
        self._kept[claim] = seen

    @property
    def broken(self) -> list[Claim]:
        """The claims that are not verified."""
        return [claim for claim in Claim if claim not in self._kept]

    def table(self) -> list[tuple[bool, str]]:
        """Return for each claim whether it is verified, and a line of text."""
        width = max(map(len, Claim))
        return [
            (
                claim in self._kept,
                f"{self._mark(claim):<4} {claim:<{width}}  {self._kept.get(claim, '')}".rstrip(),
            )
            for claim in Claim
        ]

    def _mark(self, claim: Claim) -> str:
        return _KEPT if claim in self._kept else _BROKEN
