"""The numbers of invitations and seats, kept by the service while it decides."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from prometheus_client import CollectorRegistry

from cohost_schemas.events import (
    CoHostLeft,
    InvitationAccepted,
    InvitationCancelled,
    InvitationDeclined,
    InvitationExpired,
    InvitationSent,
)
from cohost_schemas.types import Message
from messaging.database import Connection
from services.invitations.domain.stage import StageEvent
from services.runtime.business.invitation_metrics import InvitationMetrics
from services.runtime.business.lane_totals import LaneTotals

TotalName = Literal["pending", "seats"]

_CHANGES: Mapping[type[Message], Sequence[tuple[TotalName, int]]] = {
    InvitationSent: (("pending", 1),),
    InvitationAccepted: (("pending", -1), ("seats", 1)),
    InvitationDeclined: (("pending", -1),),
    InvitationCancelled: (("pending", -1),),
    InvitationExpired: (("pending", -1),),
    CoHostLeft: (("seats", -1),),
}


class InvitationNumbers:
    """Counts committed events, and shows what is pending and seated in this worker's lanes."""

    def __init__(self, registry: CollectorRegistry, totals: LaneTotals) -> None:
        self._metrics = InvitationMetrics(registry)
        self._metrics.pending.set_function(partial(totals.total, "pending"))
        self._metrics.seats.set_function(partial(totals.total, "seats"))
        self._totals = totals

    def count_committed(self, events: Sequence[tuple[int, StageEvent]]) -> None:
        """Count the events of a committed batch, given with their lanes."""
        self._metrics.count_events([event for _, event in events])
        changes: Counter[tuple[int, str]] = Counter()
        for (lane, event_type), number in Counter([(lane, type(event)) for lane, event in events]).items():
            for name, change in _CHANGES.get(event_type, ()):
                changes[lane, name] += number * change
        self._totals.add_committed(changes)


async def count_rows(connection: Connection, lanes: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return the numbers of pending invitations and of seats, by lane."""
    found = await connection.fetch(
        """
        SELECT lane, (SELECT count(*) FROM pending WHERE pending.lane = wanted.lane) AS pending,
            (SELECT count(*) FROM seats WHERE seats.lane = wanted.lane) AS seats
        FROM unnest($1::int[]) AS wanted (lane)
        """,
        lanes,
    )
    return {row["lane"]: {"pending": row["pending"], "seats": row["seats"]} for row in found}
