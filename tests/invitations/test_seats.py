"""The ends of seats: by the host, their owner, broadcast or a ban."""

from typing import Any

import pytest

from cohost_schemas.commands import (
    AcceptInvitation,
    ExcludeUser,
    ExpireInvitation,
    LeaveStage,
    ReleaseSeat,
    RemoveCoHost,
    SendInvitation,
)
from cohost_schemas.events import CoHostLeft, InvitationCancelled, InvitationExpired, InvitationSent
from messaging.processor import Rejection
from services.invitations.domain.state import Policy
from tests.invitations.in_memory_processor import (
    EXPIRY_SECONDS,
    GUEST,
    HOST,
    ROOM,
    InMemoryProcessor,
    invitation_fields,
    time_at,
)


def remove_command(user: str = GUEST, actor: str = HOST, room: str = ROOM) -> RemoveCoHost:
    return RemoveCoHost(room_id=room, user_id=user, actor_id=actor)


def leave_command(user: str = GUEST, room: str = ROOM) -> LeaveStage:
    return LeaveStage(room_id=room, actor_id=user)


def release_command(user: str = GUEST, identifier: str = "i1", room: str = ROOM) -> ReleaseSeat:
    return ReleaseSeat(room_id=room, user_id=user, invitation_id=identifier, reason="no_show")


def exclude_command(user: str = GUEST, room: str = ROOM) -> ExcludeUser:
    return ExcludeUser(room_id=room, user_id=user)


def co_host_left(reason: str, **more: Any) -> CoHostLeft:
    return CoHostLeft(
        **{
            "room_id": ROOM,
            "user_id": GUEST,
            "invitation_id": "i1",
            "reason": reason,
            "left_at": time_at(9),
            **more,
        }
    )


@pytest.fixture
def seated(processor: InMemoryProcessor) -> InMemoryProcessor:
    processor.send_invitation("i1")
    processor.decide_command(AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST), 5)
    return processor


def test_the_host_removes_a_co_host(seated: InMemoryProcessor) -> None:
    assert seated.decide_command(remove_command(), 9) == [co_host_left("removed_by_host", removed_by=HOST)]
    assert seated.seats_of() == {}


def test_a_co_host_leaves(seated: InMemoryProcessor) -> None:
    assert seated.decide_command(leave_command(), 9) == [co_host_left("left")]


@pytest.mark.parametrize("reason", ["no_show", "connection_lost"])
def test_broadcast_releases_a_seat(seated: InMemoryProcessor, reason: str) -> None:
    command = ReleaseSeat.model_validate(
        {"roomId": ROOM, "userId": GUEST, "invitationId": "i1", "reason": reason}
    )
    assert seated.decide_command(command, 9) == [co_host_left(reason)]


def test_a_banned_co_host_loses_the_seat(seated: InMemoryProcessor) -> None:
    seated.set_user(status="banned")
    assert seated.decide_command(exclude_command(), 9) == [co_host_left("not_eligible")]


def test_a_deleted_user_loses_the_pending_invitation(processor: InMemoryProcessor) -> None:
    processor.send_invitation("i1")
    processor.delete_user()
    assert processor.decide_command(exclude_command(), 9) == [
        InvitationCancelled(
            **invitation_fields("i1", status="cancelled", updated_at=time_at(9), close_reason="not_eligible")
        )
    ]


def test_an_overdue_invitation_of_a_banned_user_expires(processor: InMemoryProcessor) -> None:
    processor.send_invitation("i1")
    processor.set_user(status="deleted")
    assert processor.decide_command(exclude_command(), EXPIRY_SECONDS + 1) == [
        InvitationExpired(
            **invitation_fields(
                "i1", status="expired", updated_at=time_at(EXPIRY_SECONDS), close_reason="expired"
            )
        )
    ]


@pytest.mark.parametrize("command", [remove_command, leave_command, release_command, exclude_command])
def test_without_a_room_there_is_no_seat(seated: InMemoryProcessor, command: Any) -> None:
    assert seated.decide_command(command(room="elsewhere")) == Rejection("room_not_found")


def test_only_the_host_may_remove_a_co_host(seated: InMemoryProcessor) -> None:
    assert seated.decide_command(remove_command(actor=GUEST)) == Rejection("not_room_host")
    assert seated.decide_command(remove_command(user="nobody", actor=GUEST)) == Rejection("not_room_host")


@pytest.mark.parametrize("command", [remove_command, leave_command, release_command])
def test_a_user_without_a_seat_cannot_lose_one(processor: InMemoryProcessor, command: Any) -> None:
    processor.send_invitation("i1")
    assert processor.decide_command(command()) == Rejection("not_co_host")


@pytest.mark.parametrize("command", [remove_command, leave_command, release_command])
def test_a_seat_ends_only_once(seated: InMemoryProcessor, command: Any) -> None:
    assert isinstance(seated.decide_command(command(), 9), list)
    assert seated.decide_command(command(), 9) == Rejection("not_co_host")


def test_a_seat_from_another_invitation_is_not_released(seated: InMemoryProcessor) -> None:
    assert seated.decide_command(release_command(identifier="i0")) == Rejection("not_co_host")


def test_an_active_user_is_not_excluded(seated: InMemoryProcessor) -> None:
    seated.set_user(status="banned")
    seated.set_user()
    assert seated.decide_command(exclude_command()) == Rejection("user_eligible")
    assert seated.decide_command(exclude_command()) == Rejection("user_eligible")


def test_a_user_refusing_invitations_is_not_excluded(seated: InMemoryProcessor) -> None:
    seated.set_user(canReceiveInvitations=False, blockedUserIds=[HOST])
    assert seated.decide_command(exclude_command()) == Rejection("user_eligible")


def test_a_user_without_seat_or_invitation_cannot_be_excluded(processor: InMemoryProcessor) -> None:
    processor.set_user(status="banned")
    assert processor.decide_command(exclude_command()) == Rejection("not_involved")


def test_unknown_users_are_eligible_where_they_are_accepted() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True))
    processor.set_room()
    assert processor.decide_command(exclude_command("nobody")) == Rejection("user_eligible")


def test_the_first_of_two_racing_for_a_seat_gets_it(seated: InMemoryProcessor) -> None:
    seated.decide_command(leave_command(), 9)
    assert seated.decide_command(remove_command(), 9) == Rejection("not_co_host")


def test_a_user_stored_under_what_is_no_id_any_more_is_excluded() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True))
    processor.set_room()
    stored = SendInvitation.model_construct(
        room_id=ROOM, user_id="..", actor_id=HOST, expires_in_seconds=EXPIRY_SECONDS, message=None
    )
    assert [type(event) for event in processor.decide_command(stored, 0, "i1")] == [InvitationSent]
    processor.delete_user("..")
    [cancelled] = processor.decide_command(exclude_command(".."), 9)
    assert (type(cancelled), cancelled.user_id) == (InvitationCancelled, "..")
    assert processor.decide_command(exclude_command(".."), 9) == Rejection("invalid_command")


@pytest.mark.parametrize(
    "command",
    [
        exclude_command("."),
        exclude_command(room=".."),
        release_command("."),
        release_command(identifier=".."),
        ExpireInvitation(room_id=ROOM, invitation_id="."),
    ],
)
def test_dots_under_which_nothing_is_stored_are_no_id(processor: InMemoryProcessor, command: object) -> None:
    assert processor.decide_command(command) == Rejection("invalid_command")
