"""The scalar types of the contract and the two base models."""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

_ID_CHARACTER = "[A-Za-z0-9._:@-]"
# No lookahead: pydantic's regular expressions have none.
ID_PATTERN = (
    rf"^([A-Za-z0-9_:@-]{_ID_CHARACTER}{{0,63}}"
    rf"|\.[A-Za-z0-9_:@-]{_ID_CHARACTER}{{0,62}}"
    rf"|\.\.{_ID_CHARACTER}{{1,62}})$"
)

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`, but not `.` or `..`, which vanish from a URL's path."""

STORED_ID_PATTERN = rf"^{_ID_CHARACTER}{{1,64}}$"

StoredId = Annotated[str, StringConstraints(pattern=STORED_ID_PATTERN)]
"""An id in what the services write: what was stored as `.` or `..` before they were refused stays."""

# `$` would also match before a trailing newline.
is_id = re.compile(ID_PATTERN.removesuffix("$")).fullmatch
"""Return a match (true) if a text is an `Id`, None (false) otherwise."""

is_stored_id = re.compile(f"{_ID_CHARACTER}{{1,64}}").fullmatch
"""Return a match (true) if a text is a `StoredId`, None (false) otherwise."""


def _whole_number(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


ZERO_FRACTION_ALLOWED = BeforeValidator(_whole_number)
"""Makes an integer type take `600.0` and `6e2` as 600, as JSON Schema does. Last in `Annotated`."""

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
ConnectionQuality = Literal["excellent", "good", "poor", "lost"]
RecordingStatus = Literal["complete", "failed", "aborted"]
RoomFilter = Literal["open", "closed", "any"]
StepName = Literal[
    "room_known",
    "room_open",
    "user_known",
    "user_eligible",
    "invited",
    "seen",
    "accepted",
    "seated",
    "granted",
    "connected",
    "publishing",
    "quality",
]
StepState = Literal["ok", "failed", "waiting", "unknown"]

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


# The slots of a message, which `object.__setattr__` would look up by name each time.
_set_fields = BaseModel.__dict__["__dict__"].__set__
_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__

_NO_FIELDS_SET: set[str] = set()
"""Shared by all messages that are built, because they are frozen."""


def build_message(model: type[MessageT], fields: dict[str, Any]) -> MessageT:
    """Return a message from valid values for all its fields, unvalidated; the message owns `fields`."""
    # Pydantic takes six times as long with validation, and eighteen times as long with model_construct.
    message = object.__new__(model)
    _set_fields(message, fields)
    _set_fields_set(message, _NO_FIELDS_SET)
    _set_extra(message, None)
    _set_private(message, None)
    return message


Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
RoundTripMs = Annotated[int, Field(ge=0, le=60_000), ZERO_FRACTION_ALLOWED]
