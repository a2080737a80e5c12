"""Accepting, declining, cancelling and expiry: every event and every rejection."""

from typing import Any

import pytest

from cohost_schemas.commands import AcceptInvitation, CancelInvitation, DeclineInvitation, ExpireInvitation
from cohost_schemas.events import (
    InvitationAccepted,
    InvitationCancelled,
    InvitationDeclined,
    InvitationExpired,
)
from messaging.processor import Rejection
from services.invitations.domain.state import Policy, Seat
from tests.invitations.in_memory_processor import (
    EXPIRY_SECONDS,
    GUEST,
    HOST,
    ROOM,
    InMemoryProcessor,
    invitation_fields,
    shown_invitation,
    time_at,
)

BARELY = EXPIRY_SECONDS - 0.001


def accept_command(identifier: str = "i1", actor: str = GUEST, room: str = ROOM) -> AcceptInvitation:
    return AcceptInvitation(room_id=room, invitation_id=identifier, actor_id=actor)


def decline_command(identifier: str = "i1", actor: str = GUEST, room: str = ROOM) -> DeclineInvitation:
    return DeclineInvitation(room_id=room, invitation_id=identifier, actor_id=actor)


def cancel_command(identifier: str = "i1", actor: str = HOST, room: str = ROOM) -> CancelInvitation:
    return CancelInvitation(room_id=room, invitation_id=identifier, actor_id=actor)


def expire_command(identifier: str = "i1", room: str = ROOM) -> ExpireInvitation:
    return ExpireInvitation(room_id=room, invitation_id=identifier)


EVERY = [accept_command, decline_command, cancel_command, expire_command]
ANSWERS = [accept_command, decline_command]

ACCEPTED = invitation_fields("i1", status="accepted", responded_at=time_at(7), updated_at=time_at(7))
EXPIRED = invitation_fields(
    "i1", status="expired", updated_at=time_at(EXPIRY_SECONDS), close_reason="expired"
)


@pytest.fixture
def invited(processor: InMemoryProcessor) -> InMemoryProcessor:
    processor.send_invitation("i1")
    return processor


def assert_refused(outcome: Any, reason: str, current: dict[str, Any] | None) -> None:
    assert isinstance(outcome, Rejection)
    assert outcome.reason == reason
    assert shown_invitation(outcome) == current


def test_accepting_gives_a_seat(invited: InMemoryProcessor) -> None:
    assert invited.decide_command(accept_command(), 7) == [InvitationAccepted(**ACCEPTED)]
    assert invited.pending_invitations() == []
    assert invited.seats_of() == {GUEST: Seat("i1", time_at(7), 3)}


def test_declining_gives_no_seat(invited: InMemoryProcessor) -> None:
    assert invited.decide_command(decline_command(), 7) == [
        InvitationDeclined(
            **invitation_fields(
                "i1",
                status="rejected",
                responded_at=time_at(7),
                updated_at=time_at(7),
                close_reason="declined",
            )
        )
    ]
    assert (invited.pending_invitations(), invited.seats_of()) == ([], {})


def test_cancelling_takes_the_invitation_back(invited: InMemoryProcessor) -> None:
    assert invited.decide_command(cancel_command(), 7) == [
        InvitationCancelled(
            **invitation_fields(
                "i1", status="cancelled", updated_at=time_at(7), close_reason="cancelled_by_host"
            )
        )
    ]


def test_expiry_is_dated_back_to_the_deadline(invited: InMemoryProcessor) -> None:
    assert invited.decide_command(expire_command(), EXPIRY_SECONDS + 3) == [InvitationExpired(**EXPIRED)]


@pytest.mark.parametrize("command", EVERY)
def test_without_a_room_there_is_no_invitation(processor: InMemoryProcessor, command: Any) -> None:
    assert processor.decide_command(command(room="elsewhere")) == Rejection("room_not_found")


@pytest.mark.parametrize("command", EVERY)
def test_an_invitation_that_does_not_exist_is_not_found(processor: InMemoryProcessor, command: Any) -> None:
    assert processor.decide_command(command()) == Rejection("invitation_not_found")


@pytest.mark.parametrize("command", EVERY)
def test_an_invitation_of_another_room_is_not_found(invited: InMemoryProcessor, command: Any) -> None:
    invited.set_room(room="room-2")
    assert invited.decide_command(command(room="room-2")) == Rejection("invitation_not_found")


@pytest.mark.parametrize("command", EVERY)
def test_an_invitation_from_before_a_rooms_tombstone_is_not_found(
    invited: InMemoryProcessor, command: Any
) -> None:
    invited.delete_room(1)
    invited.set_room("live", 2)
    assert invited.decide_command(command(), 3) == Rejection("invitation_not_found")


@pytest.mark.parametrize("command", ANSWERS)
def test_only_the_invitee_may_answer(invited: InMemoryProcessor, command: Any) -> None:
    assert_refused(invited.decide_command(command(actor="stranger")), "not_invitee", None)


@pytest.mark.parametrize("command", ANSWERS)
def test_a_host_refused_to_answer_is_shown_the_invitation(invited: InMemoryProcessor, command: Any) -> None:
    assert_refused(invited.decide_command(command(actor=HOST)), "not_invitee", invitation_fields("i1"))


def test_only_the_host_may_cancel(invited: InMemoryProcessor) -> None:
    assert_refused(invited.decide_command(cancel_command(actor="stranger")), "not_room_host", None)


@pytest.mark.parametrize("actor", [HOST, GUEST])
def test_inviter_and_invitee_refused_to_cancel_see_the_invitation(
    invited: InMemoryProcessor, actor: str
) -> None:
    invited.set_room(host="carol")
    assert_refused(
        invited.decide_command(cancel_command(actor=actor)), "not_room_host", invitation_fields("i1")
    )


def test_a_new_host_may_cancel_the_former_hosts_invitations(invited: InMemoryProcessor) -> None:
    invited.set_room(host="carol")
    assert invited.decide_command(cancel_command(actor="carol"), 7) == [
        InvitationCancelled(
            **invitation_fields(
                "i1", status="cancelled", updated_at=time_at(7), close_reason="cancelled_by_host"
            )
        )
    ]


@pytest.mark.parametrize("command", [accept_command, decline_command, cancel_command])
def test_an_answered_invitation_is_refused_and_shown(invited: InMemoryProcessor, command: Any) -> None:
    invited.decide_command(accept_command(), 7)
    assert_refused(invited.decide_command(command(), 2 * EXPIRY_SECONDS), "invitation_not_pending", ACCEPTED)


def test_an_answered_invitation_does_not_expire(invited: InMemoryProcessor) -> None:
    invited.decide_command(accept_command(), 7)
    assert invited.decide_command(expire_command(), EXPIRY_SECONDS) == Rejection("invitation_not_pending")


@pytest.mark.parametrize("command", EVERY)
def test_a_forbidden_actor_is_refused_before_the_status_is_checked(
    invited: InMemoryProcessor, command: Any
) -> None:
    invited.decide_command(accept_command(), 7)
    if command is not expire_command:
        reason = "not_room_host" if command is cancel_command else "not_invitee"
        assert_refused(invited.decide_command(command(actor="stranger"), 8), reason, None)


@pytest.mark.parametrize("command", [accept_command, decline_command, cancel_command])
def test_an_answer_at_the_moment_of_expiry_is_too_late(invited: InMemoryProcessor, command: Any) -> None:
    assert_refused(
        invited.decide_command(command(), EXPIRY_SECONDS), "invitation_expired", invitation_fields("i1")
    )


@pytest.mark.parametrize("command", [accept_command, decline_command, cancel_command])
def test_a_millisecond_before_expiry_is_in_time(invited: InMemoryProcessor, command: Any) -> None:
    assert isinstance(invited.decide_command(command(), BARELY), list)


def test_no_invitation_expires_early(invited: InMemoryProcessor) -> None:
    assert invited.decide_command(expire_command(), BARELY) == Rejection("not_due")


def test_a_banned_invitee_may_not_accept(invited: InMemoryProcessor) -> None:
    for status in ("banned", "deleted"):
        invited.set_user(status=status)
        refused = invited.decide_command(accept_command())
        assert_refused(refused, "user_not_eligible", invitation_fields("i1"))
        assert isinstance(refused, Rejection)
        assert refused.detail == status


def test_a_deleted_or_unknown_invitee_may_not_accept() -> None:
    processor = InMemoryProcessor()
    processor.set_room()
    processor.set_user()
    processor.send_invitation("i1")
    processor.delete_user()
    assert_refused(processor.decide_command(accept_command()), "user_not_found", invitation_fields("i1"))
    processor.cache.users.drop_lanes([0])
    assert_refused(processor.decide_command(accept_command()), "user_not_found", invitation_fields("i1"))


def test_a_user_refusing_new_invitations_may_still_accept_one(invited: InMemoryProcessor) -> None:
    invited.set_user(canReceiveInvitations=False, blockedUserIds=[HOST])
    assert invited.decide_command(accept_command(), 7) == [InvitationAccepted(**ACCEPTED)]


def test_a_banned_invitee_may_still_decline(invited: InMemoryProcessor) -> None:
    invited.set_user(status="banned")
    assert isinstance(invited.decide_command(decline_command()), list)


def test_accepting_on_a_full_stage_leaves_the_invitation_pending() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True))
    processor.set_room(seats=1)
    processor.send_invitation("i1")
    processor.send_invitation("i2", user="carol")
    processor.decide_command(accept_command("i2", "carol"), 5)
    assert_refused(processor.decide_command(accept_command(), 7), "room_full", invitation_fields("i1"))
    processor.set_room(seats=2)
    assert processor.decide_command(accept_command(), 7) == [InvitationAccepted(**ACCEPTED)]


def test_being_banned_comes_before_the_stage_being_full(invited: InMemoryProcessor) -> None:
    invited.set_room(seats=0)
    invited.set_user(status="banned")
    assert_refused(invited.decide_command(accept_command()), "user_not_eligible", invitation_fields("i1"))


@pytest.mark.parametrize("first", [accept_command, decline_command, cancel_command])
@pytest.mark.parametrize("second", [accept_command, decline_command, cancel_command])
def test_the_first_of_two_racing_answers_wins(invited: InMemoryProcessor, first: Any, second: Any) -> None:
    assert isinstance(invited.decide_command(first(), 1), list)
    outcome = invited.decide_command(second(), 1)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "invitation_not_pending"
