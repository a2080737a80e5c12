"""The scalar types of the contract and the two base models."""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

ID_PATTERN = r"^[A-Za-z0-9._:@-]{1,64}$"

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`."""

# `$` would also match before a trailing newline.
is_id = re.compile(ID_PATTERN.removesuffix("$")).fullmatch
"""Return a match (true) if a text is an `Id`, None (false) otherwise."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""Any text without U+0000, which Postgres cannot store."""

Timestamp = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")
]
"""RFC 3339, UTC, milliseconds. The width is fixed, so timestamps sort as text."""

RoomStatus = Literal["idle", "live", "waitingReconnect", "ended", "recorded", "terminated", "error"]
UserStatus = Literal["active", "banned", "deleted"]
InvitationStatus = Literal["pending", "accepted", "rejected", "cancelled", "expired"]
CloseReason = Literal["declined", "cancelled_by_host", "room_ended", "not_eligible", "became_host", "expired"]
LeaveReason = Literal[
    "left", "removed_by_host", "room_ended", "not_eligible", "became_host", "no_show", "connection_lost"
]
MuteSource = Literal["microphone", "camera", "screen_share"]
TrackSource = Literal["camera", "microphone", "screen_share", "screen_share_audio"]
Badge = Literal["host", "coHost"]
Role = Literal["host", "coHost", "viewer"]
GrantStatus = Literal["pending", "provisioned", "failed"]
ConnectionStatus = Literal["never", "connected", "disconnected"]

OPEN_STATUSES: frozenset[str] = frozenset({"idle", "live", "waitingReconnect"})


class Message(BaseModel):
    """Base of all messages: frozen, camelCase on the wire, strict types, unknown fields ignored."""

    # Readers accept a missing field that has a default, but services always write it: OpenAPI shows that.
    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        json_schema_serialization_defaults_required=True,
    )


MessageT = TypeVar("MessageT", bound=Message)


class CommandData(Message):
    """Base of all command data: an unknown field is rejected, so that a misspelled option is not lost."""

    model_config = ConfigDict(extra="forbid")

    room_id: Id


def build_message(model: type[MessageT], fields: dict[str, Any]) -> MessageT:
    """Return a message from valid values for all its fields, unvalidated; the message owns `fields`."""
    # Pydantic takes four times as long with validation, and eight times as long with model_construct.
    message = model.__new__(model)
    object.__setattr__(message, "__dict__", fields)
    object.__setattr__(message, "__pydantic_fields_set__", set())
    object.__setattr__(message, "__pydantic_extra__", None)
    object.__setattr__(message, "__pydantic_private__", None)
    return message


PositiveCount = Annotated[int, Field(ge=1)]
