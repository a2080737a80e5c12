"""The steps of a seat on its way to the air: its grant, its first connection, its first track."""

from collections.abc import Iterator, Sequence

from cohost_schemas.events import CoHostConnected, CoHostMediaChanged, GrantProvisioned
from cohost_schemas.types import Message
from services.broadcast.domain.state import Seat, Stage
from services.runtime.business.invitation_metrics import seconds_between
from services.runtime.business.stage_metrics import SeatStep


def reached_steps(
    before: Stage | None, after: Stage, events: Sequence[Message]
) -> Iterator[tuple[SeatStep, float]]:
    """Yield the steps that the events say were reached, with the seconds since the acceptance."""
    step: SeatStep
    for event in events:
        match event:
            case GrantProvisioned():
                step, at = "granted", event.provisioned_at
            case CoHostConnected():
                step, at = "connected", event.at
            case CoHostMediaChanged() if event.published and not _has_had_track(before, event):
                step, at = "publishing", event.at
            case _:
                continue
        if (seat := _seat_of(after, event.user_id)) is not None:
            yield step, seconds_between(seat.since, at)


def _has_had_track(before: Stage | None, event: CoHostMediaChanged) -> bool:
    seat = _seat_of(before, event.user_id)
    return seat is not None and seat.invitation_id == event.invitation_id and seat.has_had_track


def _seat_of(stage: Stage | None, user_id: str) -> Seat | None:
    return stage.member_or_empty(user_id).seat if stage is not None else None
