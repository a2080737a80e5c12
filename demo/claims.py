"""Claims that the demo verifies, and the table of them at its end."""

from enum import StrEnum

_VERIFIED, _UNVERIFIED = "yes", "NO"


class Claim(StrEnum):
    """Everything that must have happened by the end of the demo, in its order."""

    OPENED = "the room goes from idle to live"
    CONNECTED = "host and viewers are connected to LiveKit"
    SEEN = "bob sees his invitation before he answers"
    PROMOTED = "bob accepts and is promoted in place"
    HEARD = "the host hears bob's tone"
    REFUSED = "bob's second accept is refused and says why"
    DECLINED = "carol declines and is invited again"
    CANCELLED = "mallory's invitation is cancelled"
    ABSENT = "frank accepts while absent, then joins"
    RETURNED = "carol drops out and comes back in time"
    ARRANGED = "the host arranges the speaking order"
    MUTED = "carol is muted hard"
    INTRUDER = "mallory, promoted outside of Co-Host, is removed"
    EXPIRED = "erin's invitation runs out"
    RESENT = "dave's invitation is sent again"
    REMOVED = "the host removes bob: his track disappears"
    ENDED = "the room ends, and everybody's permissions with it"
    AUDITED = "every command has exactly one outcome"


class ClaimList:
    """The claims verified so far."""

    def __init__(self) -> None:
        self._evidence: dict[Claim, str] = {}

    def mark_verified(self, claim: Claim, evidence: str) -> None:
        """Record that a claim is verified, with the evidence."""
        self._evidence[claim] = evidence

    @property
    def unverified(self) -> list[Claim]:
        """The claims that are not verified."""
        return [claim for claim in Claim if claim not in self._evidence]

    def table(self) -> list[tuple[bool, str]]:
        """Return for each claim whether it is verified, and a line of text."""
        width = max(map(len, Claim))
        return [
            (
                claim in self._evidence,
                f"{self._mark(claim):<4} {claim:<{width}}  {self._evidence.get(claim, '')}".rstrip(),
            )
            for claim in Claim
        ]

    def _mark(self, claim: Claim) -> str:
        return _VERIFIED if claim in self._evidence else _UNVERIFIED
