"""What a repeat under the same key must have in common with the first command."""

import pytest

from cohost.errors import Rejected
from cohost.events import Accepted, Event, Position
from cohost_schemas import commands, events
from cohost_schemas.answers import CommandOutcome
from cohost_schemas.envelope import Envelope
from cohost_schemas.types import CommandData, Message
from services.gateway.commands.identity import identity_of, identity_of_outcome, identity_of_records
from services.gateway.commands.recent_keys import RecentKeys

AT = "2026-01-01T12:00:00.000Z"
IDS = {"room_id": "room", "invitation_id": "i"}


def invitation(model: type[Message], **more: str) -> Message:
    times = dict.fromkeys(("sent_at", "expires_at", "updated_at"), AT)
    return model(**{**IDS, "user_id": "bob", "invited_by": "alice", "status": "pending", **times, **more})


def accepted(data: Message | None) -> Accepted[Message]:
    envelope = Envelope("e", "/cohost/invitations", "x", None)
    return Accepted("c", (Event(envelope, data, "invitations.events", 0, 0, 0, Position({})),))


def left(reason: str, removed_by: str | None = None) -> Message:
    return events.CoHostLeft.model_validate(
        {**IDS, "user_id": "bob", "reason": reason, "left_at": AT, "removed_by": removed_by}
    )


@pytest.mark.parametrize(
    ("command", "event", "stranger_is_told"),
    [
        (
            commands.SendInvitation(room_id="room", actor_id="alice", user_id="bob"),
            invitation(events.InvitationSent),
            True,
        ),
        (commands.ResendInvitation(**IDS, actor_id="alice"), invitation(events.InvitationResent), False),
        (commands.MarkInvitationSeen(**IDS, actor_id="bob"), invitation(events.InvitationSeen), True),
        (commands.AcceptInvitation(**IDS, actor_id="bob"), invitation(events.InvitationAccepted), True),
        (commands.DeclineInvitation(**IDS, actor_id="bob"), invitation(events.InvitationDeclined), True),
        (
            commands.CancelInvitation(**IDS, actor_id="alice"),
            invitation(events.InvitationCancelled, close_reason="cancelled_by_host"),
            False,
        ),
        (commands.LeaveStage(room_id="room", actor_id="bob"), left("left"), True),
        (
            commands.RemoveCoHost(room_id="room", actor_id="alice", user_id="bob"),
            left("removed_by_host", "alice"),
            True,
        ),
        (
            commands.ArrangeStage(room_id="room", actor_id="alice", user_ids=("bob",)),
            events.StageArranged(room_id="room", user_ids=("bob",), arranged_by="alice", arranged_at=AT),
            True,
        ),
        (
            commands.MuteCoHost(room_id="room", actor_id="alice", user_id="bob", source="camera"),
            events.CoHostMuted(room_id="room", user_id="bob", source="camera", hard=False, by="alice"),
            True,
        ),
        (
            commands.UnmuteCoHost(room_id="room", actor_id="alice", user_id="bob", source="camera"),
            events.CoHostUnmuteRequested(room_id="room", user_id="bob", source="camera", by="alice"),
            True,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else None,
)
def test_records_tell_whose_outcome_they_are(
    command: CommandData, event: Message, *, stranger_is_told: bool
) -> None:
    identity = identity_of(command)
    first = identity_of_records(accepted(event))
    assert first is not None
    assert identity.is_same(first)
    assert (first.actor_id is not None) == stranger_is_told
    assert identity._replace(actor_id="eve").is_same(first) != stranger_is_told
    assert not identity._replace(room_id="other").is_same(first)
    assert not identity._replace(command_type="cohost.Other.v1").is_same(first)
    if identity.invitation_id is not None:
        assert not identity._replace(invitation_id="other").is_same(first)


@pytest.mark.parametrize(
    "event",
    [None, left("room_ended"), invitation(events.InvitationCancelled, close_reason="room_ended")],
    ids=["unknown", "seat", "invitation"],
)
def test_what_no_user_did_is_no_users_command(event: Message | None) -> None:
    assert identity_of_records(accepted(event)) is None


def test_a_rejection_tells_whose_it_is() -> None:
    data = {"commandType": "cohost.LeaveStage.v1", "roomId": "room", "actorId": "bob"}
    envelope = Envelope("e", "/cohost/invitations", "cohost.CommandRejected.v1", data)
    first = identity_of_records(Rejected("c", "not_co_host", "No.", envelope=envelope))
    assert first == identity_of(commands.LeaveStage(room_id="room", actor_id="bob"))
    nobodys = envelope._replace(data={**data, "actorId": None})
    first = identity_of_records(Rejected("c", "not_co_host", "No.", envelope=nobodys))
    assert first is not None
    assert not identity_of(commands.LeaveStage(room_id="room", actor_id="bob")).is_same(first)


def test_an_outcome_over_http_tells_whose_it_is() -> None:
    outcome = CommandOutcome(
        command_id="c",
        command_type="cohost.LeaveStage.v1",
        outcome="accepted",
        decided_at=AT,
        room_id="room",
        invitation_id="i",
        actor_id="bob",
        events=("cohost.CoHostLeft.v1",),
    )
    mine = identity_of(commands.LeaveStage(room_id="room", actor_id="bob"))
    assert mine.is_same(identity_of_outcome(outcome))
    nobodys = outcome.model_copy(update={"actor_id": None})
    assert not mine.is_same(identity_of_outcome(nobodys))


def test_a_key_is_the_first_commands() -> None:
    keys = RecentKeys(max_keys=2)
    one, other = (identity_of(commands.LeaveStage(room_id=room, actor_id="bob")) for room in ("a", "b"))
    assert keys.claim("k", one)
    assert keys.claim("k", one)
    assert not keys.claim("k", other)
    assert keys.claim("l", other)
    assert keys.claim("m", other)
    assert keys.claim("k", other)
