"""Sending a pending invitation again, and marking it as seen: every event and every rejection."""

from typing import Any

import pytest

from cohost_schemas.commands import (
    AcceptInvitation,
    CancelInvitation,
    ExpireInvitation,
    MarkInvitationSeen,
    ResendInvitation,
)
from cohost_schemas.events import InvitationAccepted, InvitationExpired, InvitationResent, InvitationSeen
from messaging.processor import Rejection
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


def resend_command(
    actor: str = HOST, seconds: int | None = None, *, identifier: str = "i1", room: str = ROOM
) -> ResendInvitation:
    return ResendInvitation(
        room_id=room, invitation_id=identifier, actor_id=actor, expires_in_seconds=seconds
    )


def seen_command(actor: str = GUEST, *, identifier: str = "i1", room: str = ROOM) -> MarkInvitationSeen:
    return MarkInvitationSeen(room_id=room, invitation_id=identifier, actor_id=actor)


EACH = pytest.mark.parametrize("command", [resend_command, seen_command])
RESENT = {"times_sent": 2, "resent_at": time_at(12)}


@pytest.fixture
def invited(processor: InMemoryProcessor) -> InMemoryProcessor:
    processor.send_invitation("i1")
    return processor


def assert_refused(outcome: Any, reason: str, **current: Any) -> None:
    assert isinstance(outcome, Rejection)
    assert outcome.reason == reason
    assert shown_invitation(outcome) == invitation_fields("i1", **current)


def test_resending_keeps_the_expiry(invited: InMemoryProcessor) -> None:
    assert invited.decide_command(resend_command(), 12) == [
        InvitationResent(**invitation_fields("i1", **RESENT))
    ]
    assert [vars(entry) for entry in invited.pending_invitations()] == [invitation_fields("i1", **RESENT)]


@pytest.mark.parametrize(("seconds", "expiry"), [(10, 22), (600, 612)])
def test_resending_with_an_expiry_moves_it_either_way(
    invited: InMemoryProcessor, seconds: int, expiry: int
) -> None:
    resent = invitation_fields("i1", **RESENT, expires_at=time_at(expiry))
    assert invited.decide_command(resend_command(seconds=seconds), 12) == [InvitationResent(**resent)]
    expire = ExpireInvitation(room_id=ROOM, invitation_id="i1")
    assert invited.decide_command(expire, expiry - 0.001) == Rejection("not_due")
    assert invited.decide_command(expire, expiry) == [
        InvitationExpired(
            **{**resent, "status": "expired", "updated_at": time_at(expiry), "close_reason": "expired"}
        )
    ]


def test_resending_too_soon_says_when_it_can_be_retried(invited: InMemoryProcessor) -> None:
    for second, retry_at in ((9.999, 10), (19.999, 20)):
        refused = invited.decide_command(resend_command(), second)
        assert isinstance(refused, Rejection)
        assert (refused.reason, refused.retry_at) == ("too_soon", time_at(retry_at))
        assert shown_invitation(refused) == dict(vars(invited.pending_invitations()[0]))
        assert isinstance(invited.decide_command(resend_command(), retry_at), list)
    assert [entry.times_sent for entry in invited.pending_invitations()] == [3]


def test_the_invitee_sees_an_invitation_once(invited: InMemoryProcessor) -> None:
    assert invited.decide_command(seen_command(), 7) == [
        InvitationSeen(**invitation_fields("i1", seen_at=time_at(7)))
    ]
    assert_refused(invited.decide_command(seen_command(), 8), "already_seen", seen_at=time_at(7))


def test_an_invitation_sent_again_stays_seen(invited: InMemoryProcessor) -> None:
    invited.decide_command(seen_command(), 7)
    assert invited.decide_command(resend_command(), 12) == [
        InvitationResent(**invitation_fields("i1", **RESENT, seen_at=time_at(7)))
    ]
    assert_refused(invited.decide_command(seen_command(), 13), "already_seen", **RESENT, seen_at=time_at(7))


def test_what_was_renewed_stays_after_the_answer(invited: InMemoryProcessor) -> None:
    invited.decide_command(resend_command(), 12)
    invited.decide_command(seen_command(), 13)
    accept = AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST)
    answered = {"status": "accepted", "responded_at": time_at(14), "updated_at": time_at(14)}
    assert invited.decide_command(accept, 14) == [
        InvitationAccepted(**invitation_fields("i1", **RESENT, **answered, seen_at=time_at(13)))
    ]


def test_a_new_invitation_begins_unseen_and_without_label(invited: InMemoryProcessor) -> None:
    invited.decide_command(resend_command(), 12)
    invited.decide_command(seen_command(), 13)
    invited.decide_command(CancelInvitation(room_id=ROOM, invitation_id="i1", actor_id=HOST), 14)
    [sent] = invited.send_invitation("i2", 15)
    assert vars(sent) == invitation_fields(
        "i2",
        sent_at=time_at(15),
        updated_at=time_at(15),
        expires_at=time_at(15 + EXPIRY_SECONDS),
        previous_invitation_id="i1",
    )


@EACH
def test_without_a_room_there_is_nothing_to_renew(processor: InMemoryProcessor, command: Any) -> None:
    assert processor.decide_command(command(room="elsewhere")) == Rejection("room_not_found")


@EACH
def test_an_unknown_invitation_is_not_found(invited: InMemoryProcessor, command: Any) -> None:
    assert invited.decide_command(command(identifier="other")) == Rejection("invitation_not_found")


@pytest.mark.parametrize(
    ("command", "reason"), [(resend_command, "not_room_host"), (seen_command, "not_invitee")]
)
def test_a_stranger_may_not_renew_nor_see_the_invitation(
    invited: InMemoryProcessor, command: Any, reason: Any
) -> None:
    invited.decide_command(CancelInvitation(room_id=ROOM, invitation_id="i1", actor_id=HOST), 5)
    assert invited.decide_command(command("stranger"), 12) == Rejection(reason)


def test_host_and_invitee_have_their_own_commands(invited: InMemoryProcessor) -> None:
    assert_refused(invited.decide_command(resend_command(GUEST), 12), "not_room_host")
    assert_refused(invited.decide_command(seen_command(HOST), 12), "not_invitee")


@EACH
def test_a_closed_invitation_cannot_be_renewed(invited: InMemoryProcessor, command: Any) -> None:
    invited.decide_command(CancelInvitation(room_id=ROOM, invitation_id="i1", actor_id=HOST), 5)
    cancelled = {"status": "cancelled", "updated_at": time_at(5), "close_reason": "cancelled_by_host"}
    assert_refused(invited.decide_command(command(), 6), "invitation_not_pending", **cancelled)


@EACH
def test_an_overdue_invitation_cannot_be_renewed(invited: InMemoryProcessor, command: Any) -> None:
    invited.decide_command(seen_command(), 7)
    outcome = invited.decide_command(command(), EXPIRY_SECONDS)
    assert_refused(outcome, "invitation_expired", seen_at=time_at(7))


def test_an_overdue_invitation_is_not_too_soon(invited: InMemoryProcessor) -> None:
    invited.decide_command(resend_command(), EXPIRY_SECONDS - 1)
    assert_refused(
        invited.decide_command(resend_command(), EXPIRY_SECONDS),
        "invitation_expired",
        times_sent=2,
        resent_at=time_at(EXPIRY_SECONDS - 1),
    )


def test_a_new_host_may_resend(invited: InMemoryProcessor) -> None:
    invited.set_room(host="carol")
    assert_refused(invited.decide_command(resend_command(), 12), "not_room_host")
    assert isinstance(invited.decide_command(resend_command("carol"), 12), list)
