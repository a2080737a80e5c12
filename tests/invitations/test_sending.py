"""SendInvitation: its events and every rejection, in the order of the contract."""

from typing import Any

from cohost_schemas.commands import AcceptInvitation, DeclineInvitation, LeaveStage, SendInvitation
from cohost_schemas.events import InvitationExpired, InvitationSent
from messaging.processor import Rejection
from services.invitations.domain.state import Policy
from tests.invitations.theatre import EXPIRY, GUEST, HOST, ROOM, Theatre, at, invitation, shown


def send(**more: Any) -> SendInvitation:
    return SendInvitation(
        **{"room_id": ROOM, "user_id": GUEST, "actor_id": HOST, "expires_in_seconds": EXPIRY, **more}
    )


def test_an_invitation_is_pending_under_its_commands_id(processor: Theatre) -> None:
    outcome = processor.do(send(message="join us"), identifier="i1")
    assert outcome == [InvitationSent(**invitation("i1", message="join us"))]


def test_an_invitation_lasts_a_day_by_default(processor: Theatre) -> None:
    outcome = processor.do(SendInvitation(room_id=ROOM, user_id=GUEST, actor_id=HOST), identifier="i1")
    assert outcome == [InvitationSent(**invitation("i1", expires_at="2026-01-02T12:00:00.000Z"))]


def test_an_unknown_room_is_refused(processor: Theatre) -> None:
    assert processor.do(send(room_id="elsewhere")) == Rejection("room_not_found")


def test_a_deleted_room_is_not_found(processor: Theatre) -> None:
    processor.room_gone()
    assert processor.do(send(actor_id="stranger")) == Rejection("room_not_found")


def test_a_closed_room_is_refused_before_the_actor_is_checked(processor: Theatre) -> None:
    processor.set_room("ended")
    assert processor.do(send(actor_id="stranger")) == Rejection("room_not_open")


def test_every_open_state_takes_invitations(processor: Theatre) -> None:
    for status in ("idle", "live", "waitingReconnect"):
        processor.set_room(status)
        processor.user(status)
        assert processor.do(send(user_id=status), identifier=status) == [
            InvitationSent(**invitation(status, user_id=status))
        ]


def test_only_the_host_invites(processor: Theatre) -> None:
    assert processor.do(send(actor_id="stranger", user_id=HOST)) == Rejection("not_room_host")


def test_a_former_host_invites_no_more(processor: Theatre) -> None:
    processor.set_room(host="carol")
    assert processor.do(send()) == Rejection("not_room_host")


def test_the_host_is_no_target_known_or_not(processor: Theatre) -> None:
    assert processor.do(send(user_id=HOST)) == Rejection("invalid_target")


def test_an_unknown_user_is_not_found(processor: Theatre) -> None:
    assert processor.do(send(user_id="nobody")) == Rejection("user_not_found")


def test_unknown_users_are_accepted_by_setting() -> None:
    processor = Theatre(Policy(accept_unknown_users=True))
    processor.set_room()
    assert processor.invite("i1") == [InvitationSent(**invitation("i1"))]


def test_a_deleted_user_is_not_found_even_if_unknown_are_accepted() -> None:
    processor = Theatre(Policy(accept_unknown_users=True))
    processor.set_room()
    processor.user_gone()
    assert processor.invite() == Rejection("user_not_found")


def test_an_ineligible_user_is_refused(processor: Theatre) -> None:
    processor.user("banned", "banned")
    processor.user("deleted", "deleted")
    processor.user("shy", canReceiveInvitations=False)
    processor.user("offended", blockedUserIds=["someone", HOST])
    for user in ("banned", "deleted", "shy", "offended"):
        assert processor.do(send(user_id=user)) == Rejection("user_not_eligible"), user


def test_a_block_of_another_user_does_not_matter(processor: Theatre) -> None:
    processor.user(blockedUserIds=["someone"])
    assert processor.invite("i1") == [InvitationSent(**invitation("i1"))]


def test_a_user_fact_replaces_the_previous_one(processor: Theatre) -> None:
    processor.user(blockedUserIds=[HOST], canReceiveInvitations=False)
    processor.user()
    assert processor.invite("i1") == [InvitationSent(**invitation("i1"))]


def test_a_banned_host_may_invite(processor: Theatre) -> None:
    processor.user(HOST, "banned")
    assert processor.invite("i1") == [InvitationSent(**invitation("i1"))]


def test_a_co_host_is_not_invited_again(processor: Theatre) -> None:
    processor.invite("i1")
    processor.do(AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST))
    assert processor.invite("i2") == Rejection("already_co_host")


def test_a_second_pending_invitation_is_refused(processor: Theatre) -> None:
    processor.invite("i1")
    refusal = processor.invite("i2", EXPIRY - 0.001)
    assert isinstance(refusal, Rejection)
    assert refusal.reason == "already_invited"
    assert shown(refusal) == invitation("i1")


def test_inviting_again_closes_an_overdue_invitation(processor: Theatre) -> None:
    processor.invite("i1")
    outcome = processor.invite("i2", EXPIRY)
    assert outcome == [
        InvitationExpired(
            **invitation("i1", status="expired", updated_at=at(EXPIRY), close_reason="expired")
        ),
        InvitationSent(
            **invitation(
                "i2",
                sent_at=at(EXPIRY),
                updated_at=at(EXPIRY),
                expires_at=at(2 * EXPIRY),
                previous_invitation_id="i1",
            )
        ),
    ]


def test_pending_invitations_of_a_room_are_limited() -> None:
    processor = Theatre(Policy(accept_unknown_users=True, max_pending=2))
    processor.set_room()
    processor.invite("i1", user="one")
    processor.invite("i2", user="two")
    assert processor.invite("i3", user="three") == Rejection("too_many_pending")


def test_overdue_invitations_count_until_they_are_closed() -> None:
    processor = Theatre(Policy(accept_unknown_users=True, max_pending=2))
    processor.set_room()
    processor.invite("i1", user="one")
    processor.invite("i2", user="two")
    assert processor.invite("i3", EXPIRY + 1, user="three") == Rejection("too_many_pending")
    assert isinstance(processor.invite("i4", EXPIRY + 1, user="two"), list)


def test_already_invited_is_checked_before_the_limit() -> None:
    processor = Theatre(Policy(accept_unknown_users=True, max_pending=1))
    processor.set_room()
    processor.invite("i1")
    refusal = processor.invite("i2")
    assert isinstance(refusal, Rejection)
    assert refusal.reason == "already_invited"


def test_a_new_invitation_names_the_previous_one(processor: Theatre) -> None:
    processor.invite("declined")
    processor.do(DeclineInvitation(room_id=ROOM, invitation_id="declined", actor_id=GUEST))
    processor.invite("accepted")
    processor.do(AcceptInvitation(room_id=ROOM, invitation_id="accepted", actor_id=GUEST))
    processor.do(LeaveStage(room_id=ROOM, actor_id=GUEST))
    processor.user("carol")
    processor.invite("another", user="carol")
    outcome = processor.invite("i3")
    assert outcome == [InvitationSent(**invitation("i3", previous_invitation_id="accepted"))]
    previous = processor.stage_of().find_invitation("accepted")
    assert previous is not None
    assert previous.previous_invitation_id == "declined"


def test_a_room_that_opens_again_remembers_its_invitations(processor: Theatre) -> None:
    processor.invite("i1")
    processor.set_room("ended", 1)
    processor.set_room("live", 2)
    outcome = processor.invite("i2")
    assert outcome == [InvitationSent(**invitation("i2", previous_invitation_id="i1"))]


def test_a_rooms_tombstone_clears_its_history(processor: Theatre) -> None:
    processor.invite("i1")
    processor.room_gone(1)
    processor.set_room("live", 2)
    assert processor.invite("i2") == [InvitationSent(**invitation("i2"))]
