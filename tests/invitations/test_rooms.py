"""Room facts: the stage events they give and the invitations and seats they end."""

from typing import Any

import pytest

from cohost_schemas.commands import AcceptInvitation
from cohost_schemas.events import CoHostLeft, InvitationCancelled, InvitationExpired, StageChanged
from services.invitations.domain.state import Policy
from tests.invitations.theatre import EXPIRY, GUEST, HOST, ROOM, Theatre, at, invitation


def said(status: str, *, opened: bool, host: str = HOST, seats: int = 5) -> StageChanged:
    return StageChanged.model_validate(
        {"roomId": ROOM, "hostId": host, "status": status, "open": opened, "maxCoHosts": seats}
    )


def cancelled(identifier: str, reason: str, **more: Any) -> InvitationCancelled:
    events = {"status": "cancelled", "updated_at": at(9), "close_reason": reason, **more}
    return InvitationCancelled(**invitation(identifier, **events))


def left(user: str, identifier: str, reason: str) -> CoHostLeft:
    return CoHostLeft.model_validate(
        {"roomId": ROOM, "userId": user, "invitationId": identifier, "reason": reason, "leftAt": at(9)}
    )


@pytest.fixture
def populated() -> Theatre:
    """A processor with bob invited, carol seated and dave's invitation overdue at second 9."""
    processor = Theatre(Policy(accept_unknown_users=True))
    processor.set_room()
    processor.invite("i1")
    processor.invite("i2", user="carol")
    processor.do(AcceptInvitation(room_id=ROOM, invitation_id="i2", actor_id="carol"), 5)
    return processor


def test_the_first_fact_of_a_room_is_passed_on() -> None:
    assert Theatre().set_room("idle") == [said("idle", opened=True)]
    assert Theatre().set_room("ended") == [said("ended", opened=False)]


def test_an_unchanged_fact_is_not_passed_on(processor: Theatre) -> None:
    assert processor.set_room() == []


def test_every_difference_is_passed_on(processor: Theatre) -> None:
    assert processor.set_room("waitingReconnect") == [said("waitingReconnect", opened=True)]
    assert processor.set_room("waitingReconnect", seats=7) == [said("waitingReconnect", opened=True, seats=7)]
    assert processor.set_room("waitingReconnect", seats=7, host="carol") == [
        said("waitingReconnect", opened=True, seats=7, host="carol")
    ]


@pytest.mark.parametrize("status", ["ended", "recorded", "terminated", "error"])
def test_closing_a_room_ends_all_that_is_on_its_stage(populated: Theatre, status: str) -> None:
    assert populated.set_room(status, 9) == [
        said(status, opened=False),
        cancelled("i1", "room_ended"),
        left("carol", "i2", "room_ended"),
    ]
    assert (populated.pending(), populated.seats()) == ([], {})


def test_closing_a_room_expires_overdue_invitations(populated: Theatre) -> None:
    expired = invitation("i1", status="expired", updated_at=at(EXPIRY), close_reason="expired")
    assert populated.set_room("ended", EXPIRY)[:2] == [
        said("ended", opened=False),
        InvitationExpired(**expired),
    ]


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect"])
def test_a_change_between_open_states_ends_nothing(populated: Theatre, status: str) -> None:
    populated.set_room(status, 9)
    assert [entry.invitation_id for entry in populated.pending()] == ["i1"]
    assert list(populated.seats()) == ["carol"]


def test_a_reopened_room_has_an_empty_stage(populated: Theatre) -> None:
    populated.set_room("ended", 9)
    assert populated.set_room("live", 10) == [said("live", opened=True)]
    assert (populated.pending(), populated.seats()) == ([], {})


def test_lowering_the_seats_removes_nobody(populated: Theatre) -> None:
    assert populated.set_room(seats=0) == [said("live", opened=True, seats=0)]
    assert list(populated.seats()) == ["carol"]


def test_a_tombstone_ends_an_open_room(populated: Theatre) -> None:
    assert populated.room_gone(9) == [
        said("ended", opened=False),
        cancelled("i1", "room_ended"),
        left("carol", "i2", "room_ended"),
    ]


def test_a_tombstone_of_a_closed_room_publishes_nothing(processor: Theatre) -> None:
    processor.set_room("recorded")
    assert processor.room_gone() == []


def test_a_tombstone_of_an_unknown_room_publishes_nothing(processor: Theatre) -> None:
    processor.room_gone()
    assert processor.room_gone() == []
    assert processor.room_gone(room="elsewhere") == []


def test_a_recreated_room_is_passed_on(processor: Theatre) -> None:
    processor.room_gone()
    assert processor.set_room() == [said("live", opened=True)]


def test_a_new_host_loses_the_pending_invitation(populated: Theatre) -> None:
    assert populated.set_room(host=GUEST, second=9) == [
        said("live", opened=True, host=GUEST),
        cancelled("i1", "became_host"),
    ]
    assert list(populated.seats()) == ["carol"]


def test_a_new_host_loses_the_seat(populated: Theatre) -> None:
    assert populated.set_room(host="carol", second=9) == [
        said("live", opened=True, host="carol"),
        left("carol", "i2", "became_host"),
    ]
    assert [entry.invitation_id for entry in populated.pending()] == ["i1"]


def test_closing_under_a_new_host_ends_every_seat_as_room_ended(populated: Theatre) -> None:
    assert populated.set_room("ended", host="carol", second=9) == [
        said("ended", opened=False, host="carol"),
        cancelled("i1", "room_ended"),
        left("carol", "i2", "room_ended"),
    ]
