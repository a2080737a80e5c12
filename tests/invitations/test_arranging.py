"""The speaking order of the seats: arranging it, and what becomes of it."""

from collections.abc import Sequence

import pytest

from cohost_schemas.commands import AcceptInvitation, ArrangeStage, LeaveStage
from cohost_schemas.events import CoHostLeft, StageArranged
from cohost_schemas.types import Message
from messaging.processor import Rejection
from services.invitations.domain.state import Seat
from tests.invitations.in_memory_processor import HOST, ROOM, InMemoryProcessor, time_at

USERS = ("bob", "carol", "dave")


def arrange_command(users: Sequence[str], actor: str = HOST, room: str = ROOM) -> ArrangeStage:
    return ArrangeStage(room_id=room, actor_id=actor, user_ids=tuple(users))


def stage_arranged(users: Sequence[str]) -> list[Message | None]:
    return [StageArranged(room_id=ROOM, user_ids=tuple(users), arranged_by=HOST, arranged_at=time_at(9))]


def take_seat(processor: InMemoryProcessor, user: str, identifier: str) -> None:
    processor.set_user(user)
    processor.send_invitation(identifier, user=user)
    accept = AcceptInvitation(room_id=ROOM, invitation_id=identifier, actor_id=user)
    assert isinstance(processor.decide_command(accept, 5), list)


@pytest.fixture
def seated(processor: InMemoryProcessor) -> InMemoryProcessor:
    for user in USERS:
        take_seat(processor, user, f"{user}-1")
    return processor


@pytest.mark.parametrize(
    ("users", "order"),
    [
        (["dave"], ["dave", "bob", "carol"]),
        (["dave", "bob"], ["dave", "bob", "carol"]),
        (["carol", "dave", "bob"], ["carol", "dave", "bob"]),
        (["bob"], ["bob", "carol", "dave"]),
    ],
)
def test_listed_users_come_first_and_the_others_follow(
    seated: InMemoryProcessor, users: list[str], order: list[str]
) -> None:
    assert seated.decide_command(arrange_command(users), 9) == stage_arranged(order)
    assert list(seated.seats_of()) == order


def test_seats_exchange_their_positions_only(seated: InMemoryProcessor) -> None:
    before = seated.seats_of()
    positions = [seat.position for seat in before.values()]
    seated.decide_command(arrange_command(["dave"]), 9)
    assert seated.seats_of() == {
        user: Seat(f"{user}-1", time_at(5), position)
        for user, position in zip(("dave", "bob", "carol"), positions, strict=True)
    }


def test_arranging_again_builds_on_the_order_before(seated: InMemoryProcessor) -> None:
    seated.decide_command(arrange_command(["dave"]), 9)
    assert seated.decide_command(arrange_command(["carol"]), 9) == stage_arranged(["carol", "dave", "bob"])
    assert seated.decide_command(arrange_command(["carol"]), 9) == stage_arranged(["carol", "dave", "bob"])


def test_a_new_seat_goes_to_the_end(seated: InMemoryProcessor) -> None:
    seated.decide_command(arrange_command(["dave"]), 9)
    take_seat(seated, "erin", "erin-1")
    assert list(seated.seats_of()) == ["dave", "bob", "carol", "erin"]


def test_a_co_host_that_left_comes_back_at_the_end(seated: InMemoryProcessor) -> None:
    seated.decide_command(arrange_command(["dave"]), 9)
    seated.decide_command(LeaveStage(room_id=ROOM, actor_id="dave"), 9)
    take_seat(seated, "dave", "dave-2")
    assert seated.decide_command(arrange_command(["bob"]), 9) == stage_arranged(["bob", "carol", "dave"])


def test_a_closed_room_ends_seats_in_their_order(seated: InMemoryProcessor) -> None:
    seated.decide_command(arrange_command(["dave", "carol"]), 9)
    ended = seated.set_room("ended", 10)
    assert isinstance(ended, list)
    assert [event.user_id for event in ended if isinstance(event, CoHostLeft)] == ["dave", "carol", "bob"]
    assert seated.decide_command(arrange_command(["dave"]), 11) == Rejection("not_co_host")


def test_an_order_is_refused_in_the_contracts_order(seated: InMemoryProcessor) -> None:
    assert seated.decide_command(arrange_command(["nobody"], "bob", "elsewhere")) == Rejection(
        "room_not_found"
    )
    assert seated.decide_command(arrange_command(["nobody"], "bob")) == Rejection("not_room_host")
    assert seated.decide_command(arrange_command(["bob", "nobody"])) == Rejection("not_co_host")
    assert seated.decide_command(arrange_command([HOST])) == Rejection("not_co_host")
    assert list(seated.seats_of()) == list(USERS)
