"""Facts about rooms and users, published by the platform (contract, section 3)."""

from typing import Annotated

from pydantic import FailFast, Field, Strict

from cohost_schemas.types import ZERO_FRACTION_ALLOWED, Id, Message, RoomStatus, Text, UserStatus

MAX_BLOCKED_USERS = 10_000

SeatLimit = Annotated[int, Field(ge=0, le=100), ZERO_FRACTION_ALLOWED]


class RoomChanged(Message):
    """The current state of a room; replaces the previous fact completely."""

    room_id: Id
    host_id: Id
    status: RoomStatus
    max_co_hosts: SeatLimit = 5
    title: Text | None = None


class UserChanged(Message):
    """The current state of a user; replaces the previous fact completely."""

    user_id: Id
    status: UserStatus
    can_receive_invitations: bool = True
    blocked_user_ids: Annotated[
        tuple[Id, ...], Strict(strict=False), FailFast(), Field(max_length=MAX_BLOCKED_USERS)
    ] = ()
    display_name: Text | None = None


ROOMS: tuple[type[Message], ...] = (RoomChanged,)
USERS: tuple[type[Message], ...] = (UserChanged,)
