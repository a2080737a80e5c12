"""The ends of seats: by the host, their owner, broadcast or a ban."""

from typing import Any

import pytest

from cohost_schemas.commands import AcceptInvitation, ExcludeUser, LeaveStage, ReleaseSeat, RemoveCoHost
from cohost_schemas.events import CoHostLeft, InvitationCancelled, InvitationExpired
from messaging.processor import Rejection
from services.invitations.domain.state import Policy
from tests.invitations.theatre import EXPIRY, GUEST, HOST, ROOM, Theatre, at, invitation


def remove(user: str = GUEST, actor: str = HOST, room: str = ROOM) -> RemoveCoHost:
    return RemoveCoHost(room_id=room, user_id=user, actor_id=actor)


def leave(user: str = GUEST, room: str = ROOM) -> LeaveStage:
    return LeaveStage(room_id=room, actor_id=user)


def release(user: str = GUEST, identifier: str = "i1", room: str = ROOM) -> ReleaseSeat:
    return ReleaseSeat(room_id=room, user_id=user, invitation_id=identifier, reason="no_show")


def exclude(user: str = GUEST, room: str = ROOM) -> ExcludeUser:
    return ExcludeUser(room_id=room, user_id=user)


def left(reason: str, **more: Any) -> CoHostLeft:
    return CoHostLeft(
        **{
            "room_id": ROOM,
            "user_id": GUEST,
            "invitation_id": "i1",
            "reason": reason,
            "left_at": at(9),
            **more,
        }
    )


@pytest.fixture
def seated(processor: Theatre) -> Theatre:
    processor.invite("i1")
    processor.do(AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST), 5)
    return processor


def test_the_host_removes_a_co_host(seated: Theatre) -> None:
    assert seated.do(remove(), 9) == [left("removed_by_host", removed_by=HOST)]
    assert seated.seats() == {}


def test_a_co_host_leaves(seated: Theatre) -> None:
    assert seated.do(leave(), 9) == [left("left")]


@pytest.mark.parametrize("reason", ["no_show", "connection_lost"])
def test_broadcast_releases_a_seat(seated: Theatre, reason: str) -> None:
    command = ReleaseSeat.model_validate(
        {"roomId": ROOM, "userId": GUEST, "invitationId": "i1", "reason": reason}
    )
    assert seated.do(command, 9) == [left(reason)]


def test_a_banned_co_host_loses_the_seat(seated: Theatre) -> None:
    seated.user(status="banned")
    assert seated.do(exclude(), 9) == [left("not_eligible")]


def test_a_deleted_user_loses_the_pending_invitation(processor: Theatre) -> None:
    processor.invite("i1")
    processor.user_gone()
    assert processor.do(exclude(), 9) == [
        InvitationCancelled(
            **invitation("i1", status="cancelled", updated_at=at(9), close_reason="not_eligible")
        )
    ]


def test_an_overdue_invitation_of_a_banned_user_expires(processor: Theatre) -> None:
    processor.invite("i1")
    processor.user(status="deleted")
    assert processor.do(exclude(), EXPIRY + 1) == [
        InvitationExpired(**invitation("i1", status="expired", updated_at=at(EXPIRY), close_reason="expired"))
    ]


@pytest.mark.parametrize("command", [remove, leave, release, exclude])
def test_without_a_room_there_is_no_seat(seated: Theatre, command: Any) -> None:
    assert seated.do(command(room="elsewhere")) == Rejection("room_not_found")


def test_only_the_host_may_remove_a_co_host(seated: Theatre) -> None:
    assert seated.do(remove(actor=GUEST)) == Rejection("not_room_host")
    assert seated.do(remove(user="nobody", actor=GUEST)) == Rejection("not_room_host")


@pytest.mark.parametrize("command", [remove, leave, release])
def test_a_user_without_a_seat_cannot_lose_one(processor: Theatre, command: Any) -> None:
    processor.invite("i1")
    assert processor.do(command()) == Rejection("not_co_host")


@pytest.mark.parametrize("command", [remove, leave, release])
def test_a_seat_ends_only_once(seated: Theatre, command: Any) -> None:
    assert isinstance(seated.do(command(), 9), list)
    assert seated.do(command(), 9) == Rejection("not_co_host")


def test_a_seat_from_another_invitation_is_not_released(seated: Theatre) -> None:
    assert seated.do(release(identifier="i0")) == Rejection("not_co_host")


def test_an_active_user_is_not_excluded(seated: Theatre) -> None:
    seated.user(status="banned")
    seated.user()
    assert seated.do(exclude()) == Rejection("user_eligible")
    assert seated.do(exclude()) == Rejection("user_eligible")


def test_a_user_refusing_invitations_is_not_excluded(seated: Theatre) -> None:
    seated.user(canReceiveInvitations=False, blockedUserIds=[HOST])
    assert seated.do(exclude()) == Rejection("user_eligible")


def test_a_user_without_seat_or_invitation_cannot_be_excluded(processor: Theatre) -> None:
    processor.user(status="banned")
    assert processor.do(exclude()) == Rejection("not_involved")


def test_unknown_users_are_eligible_where_they_are_accepted() -> None:
    processor = Theatre(Policy(accept_unknown_users=True))
    processor.set_room()
    assert processor.do(exclude("nobody")) == Rejection("user_eligible")


def test_the_first_of_two_racing_for_a_seat_gets_it(seated: Theatre) -> None:
    seated.do(leave(), 9)
    assert seated.do(remove(), 9) == Rejection("not_co_host")
