"""Room facts: the stage events they give and the invitations and seats they end."""

from typing import Any

import pytest

from cohost_schemas.commands import AcceptInvitation
from cohost_schemas.events import CoHostLeft, InvitationCancelled, InvitationExpired, StageChanged
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


def stage_changed(status: str, *, opened: bool, host: str = HOST, seats: int = 5) -> StageChanged:
    return StageChanged.model_validate(
        {"roomId": ROOM, "hostId": host, "status": status, "open": opened, "maxCoHosts": seats}
    )


def invitation_cancelled(identifier: str, reason: str, **more: Any) -> InvitationCancelled:
    events = {"status": "cancelled", "updated_at": time_at(9), "close_reason": reason, **more}
    return InvitationCancelled(**invitation_fields(identifier, **events))


def co_host_left(user: str, identifier: str, reason: str) -> CoHostLeft:
    return CoHostLeft.model_validate(
        {"roomId": ROOM, "userId": user, "invitationId": identifier, "reason": reason, "leftAt": time_at(9)}
    )


@pytest.fixture
def populated() -> InMemoryProcessor:
    """A processor with bob invited, carol seated and dave's invitation overdue at second 9."""
    processor = InMemoryProcessor(Policy(accept_unknown_users=True))
    processor.set_room()
    processor.send_invitation("i1")
    processor.send_invitation("i2", user="carol")
    processor.decide_command(AcceptInvitation(room_id=ROOM, invitation_id="i2", actor_id="carol"), 5)
    return processor


def test_the_first_fact_of_a_room_is_passed_on() -> None:
    assert InMemoryProcessor().set_room("idle") == [stage_changed("idle", opened=True)]
    assert InMemoryProcessor().set_room("ended") == [stage_changed("ended", opened=False)]


def test_an_unchanged_fact_is_not_passed_on(processor: InMemoryProcessor) -> None:
    assert processor.set_room() == []


def test_every_difference_is_passed_on(processor: InMemoryProcessor) -> None:
    assert processor.set_room("waitingReconnect") == [stage_changed("waitingReconnect", opened=True)]
    assert processor.set_room("waitingReconnect", seats=7) == [
        stage_changed("waitingReconnect", opened=True, seats=7)
    ]
    assert processor.set_room("waitingReconnect", seats=7, host="carol") == [
        stage_changed("waitingReconnect", opened=True, seats=7, host="carol")
    ]


@pytest.mark.parametrize("status", ["ended", "recorded", "terminated", "error"])
def test_closing_a_room_ends_all_that_is_on_its_stage(populated: InMemoryProcessor, status: str) -> None:
    assert populated.set_room(status, 9) == [
        stage_changed(status, opened=False),
        invitation_cancelled("i1", "room_ended"),
        co_host_left("carol", "i2", "room_ended"),
    ]
    assert (populated.pending_invitations(), populated.seats_of()) == ([], {})


def test_closing_a_room_expires_overdue_invitations(populated: InMemoryProcessor) -> None:
    expired = invitation_fields(
        "i1", status="expired", updated_at=time_at(EXPIRY_SECONDS), close_reason="expired"
    )
    assert populated.set_room("ended", EXPIRY_SECONDS)[:2] == [
        stage_changed("ended", opened=False),
        InvitationExpired(**expired),
    ]


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect"])
def test_a_change_between_open_states_ends_nothing(populated: InMemoryProcessor, status: str) -> None:
    populated.set_room(status, 9)
    assert [entry.invitation_id for entry in populated.pending_invitations()] == ["i1"]
    assert list(populated.seats_of()) == ["carol"]


def test_a_reopened_room_has_an_empty_stage(populated: InMemoryProcessor) -> None:
    populated.set_room("ended", 9)
    assert populated.set_room("live", 10) == [stage_changed("live", opened=True)]
    assert (populated.pending_invitations(), populated.seats_of()) == ([], {})


def test_lowering_the_seats_removes_nobody(populated: InMemoryProcessor) -> None:
    assert populated.set_room(seats=0) == [stage_changed("live", opened=True, seats=0)]
    assert list(populated.seats_of()) == ["carol"]


def test_a_tombstone_ends_an_open_room(populated: InMemoryProcessor) -> None:
    assert populated.delete_room(9) == [
        stage_changed("ended", opened=False),
        invitation_cancelled("i1", "room_ended"),
        co_host_left("carol", "i2", "room_ended"),
    ]


def test_a_tombstone_of_a_closed_room_publishes_nothing(processor: InMemoryProcessor) -> None:
    processor.set_room("recorded")
    assert processor.delete_room() == []


def test_a_tombstone_of_an_unknown_room_publishes_nothing(processor: InMemoryProcessor) -> None:
    processor.delete_room()
    assert processor.delete_room() == []
    assert processor.delete_room(room="elsewhere") == []


def test_a_recreated_room_is_passed_on(processor: InMemoryProcessor) -> None:
    processor.delete_room()
    assert processor.set_room() == [stage_changed("live", opened=True)]


def test_a_new_host_loses_the_pending_invitation(populated: InMemoryProcessor) -> None:
    assert populated.set_room(host=GUEST, second=9) == [
        stage_changed("live", opened=True, host=GUEST),
        invitation_cancelled("i1", "became_host"),
    ]
    assert list(populated.seats_of()) == ["carol"]


def test_a_new_host_loses_the_seat(populated: InMemoryProcessor) -> None:
    assert populated.set_room(host="carol", second=9) == [
        stage_changed("live", opened=True, host="carol"),
        co_host_left("carol", "i2", "became_host"),
    ]
    assert [entry.invitation_id for entry in populated.pending_invitations()] == ["i1"]


def test_closing_under_a_new_host_ends_every_seat_as_room_ended(populated: InMemoryProcessor) -> None:
    assert populated.set_room("ended", host="carol", second=9) == [
        stage_changed("ended", opened=False, host="carol"),
        invitation_cancelled("i1", "room_ended"),
        co_host_left("carol", "i2", "room_ended"),
    ]
