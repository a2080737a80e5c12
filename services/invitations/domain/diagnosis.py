"""Diagnose how far a user has come in a room: known, invited, seated, or why not."""

from collections.abc import Iterator
from typing import NamedTuple

from cohost_schemas.answers import DiagnosisStep
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import LeaveReason, StepName
from messaging.processor import Rejection
from services.invitations.domain import eligibility
from services.invitations.domain.state import Policy, Room, User

STEPS: tuple[StepName, ...] = (
    "room_known",
    "room_open",
    "user_known",
    "user_eligible",
    "invited",
    "seen",
    "accepted",
    "seated",
)
"""The steps that invitations knows, in their order."""

_ADVICE = {
    "room_not_found": "Check the room's id, and that the platform has published the room.",
    "room_not_open": "The platform has to open the room.",
    "user_not_found": "Check the user's id, and that the platform has published the user.",
    "banned": "The platform has banned the user.",
    "deleted": "The platform has deleted the user.",
    "takes_no_invitations": "The user has to allow invitations.",
    "blocks_host": "The user has to unblock the room's host.",
    "room_full": "Every seat is taken: a co-host has to leave, or the room needs more seats.",
    "declined": "The user declined. The host may invite the user again.",
    "cancelled_by_host": "The host cancelled the invitation, and may invite the user again.",
    "expired": "The invitation expired. The host may invite the user again.",
    "left": "The user left the stage. The host may invite the user again.",
    "removed_by_host": "The host removed the user from the stage, and may invite the user again.",
    "no_show": "The user did not connect in time. The host may invite the user again.",
    "connection_lost": "The user's connection was lost for too long. The host may invite the user again.",
    "room_ended": "The room was closed meanwhile. The host may invite the user again.",
    "not_eligible": "The user was banned or deleted meanwhile. The host may invite the user again.",
    "became_host": "The user was the room's host meanwhile. The host may invite the user again.",
}
_NEXT_ACTION: dict[StepName, str] = {
    "invited": "The room's host has to invite the user.",
    "seen": "The user has to open the invitation.",
    "accepted": "The user has to accept the invitation.",
}
_NOT_ELIGIBLE = "The user may not be invited or seated."
_SEAT_ENDED = "The user's seat ended. The host may invite the user again."


class SeatEnd(NamedTuple):
    """The end of a seat: when, and why."""

    at: str
    reason: LeaveReason


class UserInRoom(NamedTuple):
    """What is stored about a user in a room, at one time.

    `invitation` is the user's last in the room's current incarnation, an overdue one as expired;
    `refused_at` is when the user could not accept it because the room was full, and `seat_end` is the end of
    its seat. `seat_since` is set while the user has a seat, and `taken_seats` counts those of all users.
    """

    room: Room
    user: User | None
    invitation: Invitation | None = None
    refused_at: str | None = None
    seat_since: str | None = None
    seat_end: SeatEnd | None = None
    taken_seats: int = 0


def diagnose_unknown_room() -> tuple[DiagnosisStep]:
    """Return the steps in a room that is unknown or deleted."""
    return (_failed("room_known", "room_not_found"),)


def diagnose_host(room: Room) -> Iterator[DiagnosisStep]:
    """Yield the steps of the room's host, who needs neither a fact nor an invitation."""
    yield _ok("room_known")
    yield _check_open(room)
    yield from map(_ok, STEPS[2:])


def diagnose_user(view: UserInRoom, policy: Policy, *, shows_cause: bool) -> Iterator[DiagnosisStep]:
    """Yield the steps of another user, at least up to the first that is not `ok`.

    `shows_cause` tells whether the reader may know why the user is not eligible.
    """
    yield _ok("room_known")
    yield _check_open(view.room)
    rejection = _check_user(view, policy)
    if rejection is None or rejection.reason != "user_not_found":
        yield _ok("user_known")
    if rejection is None:
        yield _ok("user_eligible")
        yield from _check_invitation(view)
    elif rejection.reason == "user_not_found":
        yield _failed("user_known", "user_not_found")
    elif shows_cause and rejection.detail is not None:
        yield _failed("user_eligible", rejection.detail)
    else:
        yield DiagnosisStep(step="user_eligible", state="failed", advice=_NOT_ELIGIBLE)


def _check_user(view: UserInRoom, policy: Policy) -> Rejection | None:
    """Return why the user may not be on stage, or may not be invited where that is still to be done."""
    is_invited = view.seat_since is not None or (
        view.invitation is not None and view.invitation.status == "pending"
    )
    if is_invited:
        return eligibility.check_eligibility(view.user, policy)
    return eligibility.check_invitable(view.user, view.room, policy)


def _check_open(room: Room) -> DiagnosisStep:
    return _ok("room_open") if room.is_open else _failed("room_open", "room_not_open")


def _check_invitation(view: UserInRoom) -> Iterator[DiagnosisStep]:
    invitation = view.invitation
    if invitation is None:
        yield _waiting("invited")
        return
    yield _ok("invited", invitation.sent_at)
    seen_at = invitation.seen_at or invitation.responded_at or view.refused_at
    if seen_at is None:
        yield _check_unanswered("seen", invitation, view)
        return
    yield _ok("seen", seen_at)
    if invitation.status != "accepted":
        yield _check_unanswered("accepted", invitation, view)
        return
    yield _ok("accepted", invitation.responded_at)
    yield _check_seat(view)


def _check_unanswered(step: StepName, invitation: Invitation, view: UserInRoom) -> DiagnosisStep:
    """Return the first step that an invitation has not reached."""
    if invitation.close_reason is not None:
        return _failed(step, invitation.close_reason, invitation.updated_at)
    return _waiting(step, "room_full" if view.taken_seats >= view.room.max_co_hosts else None)


def _check_seat(view: UserInRoom) -> DiagnosisStep:
    if view.seat_since is not None:
        return _ok("seated", view.seat_since)
    if view.seat_end is None:
        return DiagnosisStep(step="seated", state="failed", advice=_SEAT_ENDED)
    return _failed("seated", view.seat_end.reason, view.seat_end.at)


def _ok(step: StepName, at: str | None = None) -> DiagnosisStep:
    return DiagnosisStep(step=step, state="ok", at=at)


def _waiting(step: StepName, detail: str | None = None) -> DiagnosisStep:
    advice = _ADVICE[detail] if detail is not None else _NEXT_ACTION[step]
    return DiagnosisStep(step=step, state="waiting", detail=detail, advice=advice)


def _failed(step: StepName, detail: str, at: str | None = None) -> DiagnosisStep:
    return DiagnosisStep(step=step, state="failed", at=at, detail=detail, advice=_ADVICE[detail])
