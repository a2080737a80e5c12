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
from tests.invitations.theatre import EXPIRY, GUEST, HOST, ROOM, Theatre, at, invitation, shown

BARELY = EXPIRY - 0.001


def accept(identifier: str = "i1", actor: str = GUEST, room: str = ROOM) -> AcceptInvitation:
    return AcceptInvitation(room_id=room, invitation_id=identifier, actor_id=actor)


def decline(identifier: str = "i1", actor: str = GUEST, room: str = ROOM) -> DeclineInvitation:
    return DeclineInvitation(room_id=room, invitation_id=identifier, actor_id=actor)


def cancel(identifier: str = "i1", actor: str = HOST, room: str = ROOM) -> CancelInvitation:
    return CancelInvitation(room_id=room, invitation_id=identifier, actor_id=actor)


def expire(identifier: str = "i1", room: str = ROOM) -> ExpireInvitation:
    return ExpireInvitation(room_id=room, invitation_id=identifier)


EVERY = [accept, decline, cancel, expire]
ANSWERS = [accept, decline]

ACCEPTED = invitation("i1", status="accepted", responded_at=at(7), updated_at=at(7))
EXPIRED = invitation("i1", status="expired", updated_at=at(EXPIRY), close_reason="expired")


@pytest.fixture
def invited(processor: Theatre) -> Theatre:
    processor.invite("i1")
    return processor


def refused(outcome: Any, reason: str, current: dict[str, Any] | None) -> None:
    assert isinstance(outcome, Rejection)
    assert outcome.reason == reason
    assert shown(outcome) == current


def test_accepting_gives_a_seat(invited: Theatre) -> None:
    assert invited.do(accept(), 7) == [InvitationAccepted(**ACCEPTED)]
    assert invited.pending() == []
    assert invited.seats() == {GUEST: Seat("i1", at(7), 3)}


def test_declining_gives_no_seat(invited: Theatre) -> None:
    assert invited.do(decline(), 7) == [
        InvitationDeclined(
            **invitation(
                "i1", status="rejected", responded_at=at(7), updated_at=at(7), close_reason="declined"
            )
        )
    ]
    assert (invited.pending(), invited.seats()) == ([], {})


def test_cancelling_takes_the_invitation_back(invited: Theatre) -> None:
    assert invited.do(cancel(), 7) == [
        InvitationCancelled(
            **invitation("i1", status="cancelled", updated_at=at(7), close_reason="cancelled_by_host")
        )
    ]


def test_expiry_is_dated_back_to_the_deadline(invited: Theatre) -> None:
    assert invited.do(expire(), EXPIRY + 3) == [InvitationExpired(**EXPIRED)]


@pytest.mark.parametrize("command", EVERY)
def test_without_a_room_there_is_no_invitation(processor: Theatre, command: Any) -> None:
    assert processor.do(command(room="elsewhere")) == Rejection("room_not_found")


@pytest.mark.parametrize("command", EVERY)
def test_an_invitation_that_does_not_exist_is_not_found(processor: Theatre, command: Any) -> None:
    assert processor.do(command()) == Rejection("invitation_not_found")


@pytest.mark.parametrize("command", EVERY)
def test_an_invitation_of_another_room_is_not_found(invited: Theatre, command: Any) -> None:
    invited.set_room(room="room-2")
    assert invited.do(command(room="room-2")) == Rejection("invitation_not_found")


@pytest.mark.parametrize("command", EVERY)
def test_an_invitation_from_before_a_rooms_tombstone_is_not_found(invited: Theatre, command: Any) -> None:
    invited.room_gone(1)
    invited.set_room("live", 2)
    assert invited.do(command(), 3) == Rejection("invitation_not_found")


@pytest.mark.parametrize("command", ANSWERS)
def test_only_the_invitee_may_answer(invited: Theatre, command: Any) -> None:
    refused(invited.do(command(actor="stranger")), "not_invitee", None)


@pytest.mark.parametrize("command", ANSWERS)
def test_a_host_refused_to_answer_is_shown_the_invitation(invited: Theatre, command: Any) -> None:
    refused(invited.do(command(actor=HOST)), "not_invitee", invitation("i1"))


def test_only_the_host_may_cancel(invited: Theatre) -> None:
    refused(invited.do(cancel(actor="stranger")), "not_room_host", None)


@pytest.mark.parametrize("actor", [HOST, GUEST])
def test_inviter_and_invitee_refused_to_cancel_see_the_invitation(invited: Theatre, actor: str) -> None:
    invited.set_room(host="carol")
    refused(invited.do(cancel(actor=actor)), "not_room_host", invitation("i1"))


def test_a_new_host_may_cancel_the_former_hosts_invitations(invited: Theatre) -> None:
    invited.set_room(host="carol")
    assert invited.do(cancel(actor="carol"), 7) == [
        InvitationCancelled(
            **invitation("i1", status="cancelled", updated_at=at(7), close_reason="cancelled_by_host")
        )
    ]


@pytest.mark.parametrize("command", [accept, decline, cancel])
def test_an_answered_invitation_is_refused_and_shown(invited: Theatre, command: Any) -> None:
    invited.do(accept(), 7)
    refused(invited.do(command(), 2 * EXPIRY), "invitation_not_pending", ACCEPTED)


def test_an_answered_invitation_does_not_expire(invited: Theatre) -> None:
    invited.do(accept(), 7)
    assert invited.do(expire(), EXPIRY) == Rejection("invitation_not_pending")


@pytest.mark.parametrize("command", EVERY)
def test_a_forbidden_actor_is_refused_before_the_status_is_checked(invited: Theatre, command: Any) -> None:
    invited.do(accept(), 7)
    if command is not expire:
        reason = "not_room_host" if command is cancel else "not_invitee"
        refused(invited.do(command(actor="stranger"), 8), reason, None)


@pytest.mark.parametrize("command", [accept, decline, cancel])
def test_an_answer_at_the_moment_of_expiry_is_too_late(invited: Theatre, command: Any) -> None:
    refused(invited.do(command(), EXPIRY), "invitation_expired", invitation("i1"))


@pytest.mark.parametrize("command", [accept, decline, cancel])
def test_a_millisecond_before_expiry_is_in_time(invited: Theatre, command: Any) -> None:
    assert isinstance(invited.do(command(), BARELY), list)


def test_no_invitation_expires_early(invited: Theatre) -> None:
    assert invited.do(expire(), BARELY) == Rejection("not_due")


def test_a_banned_invitee_may_not_accept(invited: Theatre) -> None:
    for status in ("banned", "deleted"):
        invited.user(status=status)
        refused(invited.do(accept()), "user_not_eligible", invitation("i1"))


def test_a_deleted_or_unknown_invitee_may_not_accept() -> None:
    processor = Theatre()
    processor.set_room()
    processor.user()
    processor.invite("i1")
    processor.user_gone()
    refused(processor.do(accept()), "user_not_found", invitation("i1"))
    processor.memory.users.clear()
    refused(processor.do(accept()), "user_not_found", invitation("i1"))


def test_a_user_refusing_new_invitations_may_still_accept_one(invited: Theatre) -> None:
    invited.user(canReceiveInvitations=False, blockedUserIds=[HOST])
    assert invited.do(accept(), 7) == [InvitationAccepted(**ACCEPTED)]


def test_a_banned_invitee_may_still_decline(invited: Theatre) -> None:
    invited.user(status="banned")
    assert isinstance(invited.do(decline()), list)


def test_accepting_on_a_full_stage_leaves_the_invitation_pending() -> None:
    processor = Theatre(Policy(accept_unknown_users=True))
    processor.set_room(seats=1)
    processor.invite("i1")
    processor.invite("i2", user="carol")
    processor.do(accept("i2", "carol"), 5)
    refused(processor.do(accept(), 7), "room_full", invitation("i1"))
    processor.set_room(seats=2)
    assert processor.do(accept(), 7) == [InvitationAccepted(**ACCEPTED)]


def test_being_banned_comes_before_the_stage_being_full(invited: Theatre) -> None:
    invited.set_room(seats=0)
    invited.user(status="banned")
    refused(invited.do(accept()), "user_not_eligible", invitation("i1"))


@pytest.mark.parametrize("first", [accept, decline, cancel])
@pytest.mark.parametrize("second", [accept, decline, cancel])
def test_the_first_of_two_racing_answers_wins(invited: Theatre, first: Any, second: Any) -> None:
    assert isinstance(invited.do(first(), 1), list)
    outcome = invited.do(second(), 1)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "invitation_not_pending"
