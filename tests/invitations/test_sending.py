"""SendInvitation: its events and every rejection, in the order of the contract."""

from typing import Any

from cohost_schemas.commands import AcceptInvitation, DeclineInvitation, LeaveStage, SendInvitation
from cohost_schemas.events import InvitationAccepted, InvitationExpired, InvitationSent
from messaging.processor import Rejection
from services.invitations.domain.state import Policy
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


def send_command(**more: Any) -> SendInvitation:
    return SendInvitation(
        **{"room_id": ROOM, "user_id": GUEST, "actor_id": HOST, "expires_in_seconds": EXPIRY_SECONDS, **more}
    )


def test_an_invitation_is_pending_under_its_commands_id(processor: InMemoryProcessor) -> None:
    outcome = processor.decide_command(send_command(message="join us"), identifier="i1")
    assert outcome == [InvitationSent(**invitation_fields("i1", message="join us"))]


def test_an_invitation_lasts_a_day_by_default(processor: InMemoryProcessor) -> None:
    outcome = processor.decide_command(
        SendInvitation(room_id=ROOM, user_id=GUEST, actor_id=HOST), identifier="i1"
    )
    assert outcome == [InvitationSent(**invitation_fields("i1", expires_at="2026-01-02T12:00:00.000Z"))]


def test_an_unknown_room_is_refused(processor: InMemoryProcessor) -> None:
    assert processor.decide_command(send_command(room_id="elsewhere")) == Rejection("room_not_found")


def test_a_deleted_room_is_not_found(processor: InMemoryProcessor) -> None:
    processor.delete_room()
    assert processor.decide_command(send_command(actor_id="stranger")) == Rejection("room_not_found")


def test_a_closed_room_is_refused_before_the_actor_is_checked(processor: InMemoryProcessor) -> None:
    processor.set_room("ended")
    assert processor.decide_command(send_command(actor_id="stranger")) == Rejection("room_not_open")


def test_every_open_state_takes_invitations(processor: InMemoryProcessor) -> None:
    for status in ("idle", "live", "waitingReconnect"):
        processor.set_room(status)
        processor.set_user(status)
        assert processor.decide_command(send_command(user_id=status), identifier=status) == [
            InvitationSent(**invitation_fields(status, user_id=status))
        ]


def test_only_the_host_invites(processor: InMemoryProcessor) -> None:
    assert processor.decide_command(send_command(actor_id="stranger", user_id=HOST)) == Rejection(
        "not_room_host"
    )


def test_a_former_host_invites_no_more(processor: InMemoryProcessor) -> None:
    processor.set_room(host="carol")
    assert processor.decide_command(send_command()) == Rejection("not_room_host")


def test_the_host_is_no_target_known_or_not(processor: InMemoryProcessor) -> None:
    assert processor.decide_command(send_command(user_id=HOST)) == Rejection("invalid_target")


def test_an_unknown_user_is_not_found(processor: InMemoryProcessor) -> None:
    assert processor.decide_command(send_command(user_id="nobody")) == Rejection("user_not_found")


def test_unknown_users_are_accepted_by_setting() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True))
    processor.set_room()
    assert processor.send_invitation("i1") == [InvitationSent(**invitation_fields("i1"))]


def test_a_deleted_user_is_not_found_even_if_unknown_are_accepted() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True))
    processor.set_room()
    processor.delete_user()
    assert processor.send_invitation() == Rejection("user_not_found")


def test_an_ineligible_user_is_refused(processor: InMemoryProcessor) -> None:
    processor.set_user("banned", "banned")
    processor.set_user("deleted", "deleted")
    processor.set_user("shy", canReceiveInvitations=False)
    processor.set_user("offended", blockedUserIds=["someone", HOST])
    causes = {
        "banned": "banned",
        "deleted": "deleted",
        "shy": "takes_no_invitations",
        "offended": "blocks_host",
    }
    for user, cause in causes.items():
        refused = processor.decide_command(send_command(user_id=user))
        assert refused == Rejection("user_not_eligible", detail=cause), user


def test_the_first_cause_of_an_ineligible_user_is_kept(processor: InMemoryProcessor) -> None:
    more: dict[str, Any] = {"canReceiveInvitations": False, "blockedUserIds": [HOST]}
    for status, cause in (("banned", "banned"), ("deleted", "deleted"), ("active", "takes_no_invitations")):
        processor.set_user(status=status, **more)
        assert processor.decide_command(send_command()) == Rejection("user_not_eligible", detail=cause)


def test_a_label_is_part_of_the_invitation(processor: InMemoryProcessor) -> None:
    assert processor.decide_command(send_command(label="Guitar", expires_in_seconds=60), 0, "i1") == [
        InvitationSent(**invitation_fields("i1", label="Guitar"))
    ]
    accept = AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST)
    [accepted] = processor.decide_command(accept, 1)
    assert isinstance(accepted, InvitationAccepted)
    assert accepted.label == "Guitar"


def test_a_block_of_another_user_does_not_matter(processor: InMemoryProcessor) -> None:
    processor.set_user(blockedUserIds=["someone"])
    assert processor.send_invitation("i1") == [InvitationSent(**invitation_fields("i1"))]


def test_a_user_fact_replaces_the_previous_one(processor: InMemoryProcessor) -> None:
    processor.set_user(blockedUserIds=[HOST], canReceiveInvitations=False)
    processor.set_user()
    assert processor.send_invitation("i1") == [InvitationSent(**invitation_fields("i1"))]


def test_a_banned_host_may_invite(processor: InMemoryProcessor) -> None:
    processor.set_user(HOST, "banned")
    assert processor.send_invitation("i1") == [InvitationSent(**invitation_fields("i1"))]


def test_a_co_host_is_not_invited_again(processor: InMemoryProcessor) -> None:
    processor.send_invitation("i1")
    processor.decide_command(AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST))
    assert processor.send_invitation("i2") == Rejection("already_co_host")


def test_a_second_pending_invitation_is_refused(processor: InMemoryProcessor) -> None:
    processor.send_invitation("i1")
    refusal = processor.send_invitation("i2", EXPIRY_SECONDS - 0.001)
    assert isinstance(refusal, Rejection)
    assert refusal.reason == "already_invited"
    assert shown_invitation(refusal) == invitation_fields("i1")


def test_inviting_again_closes_an_overdue_invitation(processor: InMemoryProcessor) -> None:
    processor.send_invitation("i1")
    outcome = processor.send_invitation("i2", EXPIRY_SECONDS)
    assert outcome == [
        InvitationExpired(
            **invitation_fields(
                "i1", status="expired", updated_at=time_at(EXPIRY_SECONDS), close_reason="expired"
            )
        ),
        InvitationSent(
            **invitation_fields(
                "i2",
                sent_at=time_at(EXPIRY_SECONDS),
                updated_at=time_at(EXPIRY_SECONDS),
                expires_at=time_at(2 * EXPIRY_SECONDS),
                previous_invitation_id="i1",
            )
        ),
    ]


def test_pending_invitations_of_a_room_are_limited() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True, max_pending=2))
    processor.set_room()
    processor.send_invitation("i1", user="one")
    processor.send_invitation("i2", user="two")
    assert processor.send_invitation("i3", user="three") == Rejection("too_many_pending")


def test_overdue_invitations_count_until_they_are_closed() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True, max_pending=2))
    processor.set_room()
    processor.send_invitation("i1", user="one")
    processor.send_invitation("i2", user="two")
    assert processor.send_invitation("i3", EXPIRY_SECONDS + 1, user="three") == Rejection("too_many_pending")
    assert isinstance(processor.send_invitation("i4", EXPIRY_SECONDS + 1, user="two"), list)


def test_already_invited_is_checked_before_the_limit() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True, max_pending=1))
    processor.set_room()
    processor.send_invitation("i1")
    refusal = processor.send_invitation("i2")
    assert isinstance(refusal, Rejection)
    assert refusal.reason == "already_invited"


def test_a_new_invitation_names_the_previous_one(processor: InMemoryProcessor) -> None:
    processor.send_invitation("declined")
    processor.decide_command(DeclineInvitation(room_id=ROOM, invitation_id="declined", actor_id=GUEST))
    processor.send_invitation("accepted")
    processor.decide_command(AcceptInvitation(room_id=ROOM, invitation_id="accepted", actor_id=GUEST))
    processor.decide_command(LeaveStage(room_id=ROOM, actor_id=GUEST))
    processor.set_user("carol")
    processor.send_invitation("another", user="carol")
    outcome = processor.send_invitation("i3")
    assert outcome == [InvitationSent(**invitation_fields("i3", previous_invitation_id="accepted"))]
    previous = processor.stage_of().find_invitation("accepted")
    assert previous is not None
    assert previous.previous_invitation_id == "declined"


def test_a_room_that_opens_again_remembers_its_invitations(processor: InMemoryProcessor) -> None:
    processor.send_invitation("i1")
    processor.set_room("ended", 1)
    processor.set_room("live", 2)
    outcome = processor.send_invitation("i2")
    assert outcome == [InvitationSent(**invitation_fields("i2", previous_invitation_id="i1"))]


def test_a_rooms_tombstone_clears_its_history(processor: InMemoryProcessor) -> None:
    processor.send_invitation("i1")
    processor.delete_room(1)
    processor.set_room("live", 2)
    assert processor.send_invitation("i2") == [InvitationSent(**invitation_fields("i2"))]
