"""Invitations and seats as the events tell them.

Events of one topic come in the log's order. Between the two topics there is none: what broadcast says of a
seat may be read before its acceptance, or after its end. Everything here comes out the same either way.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry

from cohost_schemas import events
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import Message
from services.runtime.business.invitation_metrics import InvitationMetrics, seconds_between
from services.runtime.business.stage_metrics import SeatStep, StageMetrics

_MAX_WITHOUT_REVOCATION = 1000

ConnectionState = Literal["never", "connected", "in_grace", "lost"]


class SeatHolder(NamedTuple):
    """A user in a room."""

    room_id: str
    user_id: str


@dataclass(slots=True)
class SeatHistory:
    """A seat, as far as it was read. `reached` has the time of each step that was reached."""

    holder: SeatHolder
    accepted_at: str | None = None
    left_at: str | None = None
    is_revoked: bool = False
    connection: ConnectionState = "never"
    reached: dict[SeatStep, str] = field(default_factory=dict)


class StageHistory:
    """Folds events into the metrics of the business.

    It keeps pending invitations, and seats until both services have said the last of them: one `CoHostLeft`
    and one `GrantRevoked`. A co-host who becomes the host has no `GrantRevoked`: the last thousand of these
    seats are kept. Hard mutes name no seat, but a user and a time: they count for the seat of that time.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._invitation_metrics = InvitationMetrics(registry)
        self._stage_metrics = StageMetrics(registry)
        self._pending: set[str] = set()
        self._seats: dict[str, SeatHistory] = {}
        self._present: dict[SeatHolder, SeatHistory] = {}
        self._without_revocation: deque[str] = deque()
        self._hard_mutes: dict[SeatHolder, dict[str, str]] = {}
        self._invitation_metrics.pending.set_function(lambda: len(self._pending))
        self._invitation_metrics.seats.set_function(lambda: len(self._present))
        self._stage_metrics.connected.set_function(partial(self._count_connections, "connected"))
        self._stage_metrics.in_grace.set_function(partial(self._count_connections, "in_grace"))
        self._stage_metrics.hard_muted.set_function(self._count_hard_muted)
        self._fold_functions: Mapping[type[Message], Callable[[Any, str], None]] = {
            **dict.fromkeys(
                (events.InvitationSent, events.InvitationResent, events.InvitationSeen), self._pend
            ),
            events.InvitationAccepted: self._accept,
            events.InvitationDeclined: self._close,
            events.InvitationCancelled: self._close,
            events.InvitationExpired: self._close,
            events.CoHostLeft: self._leave,
            events.GrantProvisioned: self._grant,
            events.GrantRevoked: self._revoke,
            events.CoHostConnected: self._connect,
            events.CoHostReconnected: partial(self._set_connection, "connected"),
            events.CoHostDisconnected: partial(self._set_connection, "in_grace"),
            events.CoHostLost: partial(self._set_connection, "lost"),
            events.CoHostMediaChanged: self._change_media,
            events.CoHostMuted: self._mute,
            events.CoHostUnmuteRequested: self._unmute,
        }

    def add_event(self, event: Message, time: str) -> None:
        """Count an event; `time` is that of its cause, as the event has it."""
        self._invitation_metrics.count_events([event])
        self._stage_metrics.count_event(event)
        fold = self._fold_functions.get(type(event))
        if fold is not None:
            fold(event, time)

    def _pend(self, invitation: Invitation, _: str) -> None:
        self._pending.add(invitation.invitation_id)

    def _close(self, invitation: Invitation, _: str) -> None:
        self._pending.discard(invitation.invitation_id)

    def _accept(self, invitation: events.InvitationAccepted, time: str) -> None:
        self._close(invitation, time)
        seat = self._seat_of(invitation)
        seat.accepted_at = invitation.responded_at or invitation.updated_at
        self._present[seat.holder] = seat
        for step, at in seat.reached.items():
            self._stage_metrics.observe_step(step, seconds_between(seat.accepted_at, at))

    def _leave(self, event: events.CoHostLeft, _: str) -> None:
        seat = self._seat_of(event)
        seat.left_at = event.left_at
        if self._present.get(seat.holder) is seat:
            del self._present[seat.holder]
        if event.reason == "became_host":
            self._without_revocation.append(event.invitation_id)
            if len(self._without_revocation) > _MAX_WITHOUT_REVOCATION:
                self._forget(self._without_revocation.popleft())
        elif seat.is_revoked:
            self._forget(event.invitation_id)

    def _revoke(self, event: events.GrantRevoked, _: str) -> None:
        seat = self._seat_of(event)
        seat.is_revoked = True
        if seat.left_at is not None:
            self._forget(event.invitation_id)

    def _forget(self, invitation_id: str) -> None:
        seat = self._seats.pop(invitation_id, None)
        if seat is None or seat.left_at is None:
            return
        mutes = self._hard_mutes.pop(seat.holder, {})
        if later := {source: time for source, time in mutes.items() if time > seat.left_at}:
            self._hard_mutes[seat.holder] = later

    def _grant(self, event: events.GrantProvisioned, _: str) -> None:
        self._reach(self._seat_of(event), "granted", event.provisioned_at)

    def _connect(self, event: events.CoHostConnected, time: str) -> None:
        self._set_connection("connected", event, time)
        self._reach(self._seat_of(event), "connected", event.at)

    def _change_media(self, event: events.CoHostMediaChanged, _: str) -> None:
        if event.published:
            self._reach(self._seat_of(event), "publishing", event.at)

    def _set_connection(self, state: ConnectionState, event: Any, _: str) -> None:
        self._seat_of(event).connection = state

    def _reach(self, seat: SeatHistory, step: SeatStep, at: str) -> None:
        if step in seat.reached:
            return
        seat.reached[step] = at
        if seat.accepted_at is not None:
            self._stage_metrics.observe_step(step, seconds_between(seat.accepted_at, at))

    def _mute(self, event: events.CoHostMuted, time: str) -> None:
        if event.hard:
            self._hard_mutes.setdefault(SeatHolder(event.room_id, event.user_id), {})[event.source] = time

    def _unmute(self, event: events.CoHostUnmuteRequested, _: str) -> None:
        self._hard_mutes.get(SeatHolder(event.room_id, event.user_id), {}).pop(event.source, None)

    def _seat_of(self, event: Any) -> SeatHistory:
        """Return what was read of the seat of an event's invitation."""
        seat = self._seats.get(event.invitation_id)
        if seat is None:
            seat = SeatHistory(SeatHolder(event.room_id, event.user_id))
            self._seats[event.invitation_id] = seat
        return seat

    def _count_connections(self, state: ConnectionState) -> int:
        return sum(seat.connection == state for seat in self._present.values())

    def _count_hard_muted(self) -> int:
        count = 0
        for holder, mutes in self._hard_mutes.items():
            seat = self._present.get(holder)
            if seat is not None and seat.accepted_at is not None:
                count += any(time >= seat.accepted_at for time in mutes.values())
        return count
