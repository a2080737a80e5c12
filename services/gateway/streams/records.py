"""The topics' records as a stream gives them out: to which streams they belong, and their bytes."""

from typing import Any, NamedTuple

from cohost_schemas import envelope
from cohost_schemas.envelope import Envelope, NotACloudEvent
from cohost_schemas.types import is_stored_id
from services.gateway.streams.hosts import HostChange
from services.gateway.streams.positions import StreamKey

_PUBLIC_TYPES = frozenset({"StageChanged", "StageArranged", "BadgeChanged"})
_PUBLIC_PREFIXES = ("CoHost", "Host")
_HOSTS_TYPES = frozenset({"IntruderRemoved", "ParticipantQualityChanged", "RecordingFinished"})
_HOSTS_PREFIXES = ("Invitation", "Grant")
_USERS_TYPES = frozenset({"BadgeChanged", "ParticipantQualityChanged"})
_USERS_PREFIXES = ("CoHost", "Host", "Grant")

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
_MAX_SEQUENCE_DIGITS = 20


class StreamRecord(NamedTuple):
    """A record of a partition, by the partition's number in the hub's list.

    `text` is the event without its `id:`. `is_public` says that everybody may see it on the room's stream;
    else the room's host at that event may, which `sequence` or `time` decides. `badge` is the key of a badge.
    """

    partition: int
    offset: int
    room_id: str
    user_ids: tuple[str, ...]
    text: bytes
    is_public: bool
    sequence: int | None = None
    time: str | None = None
    host_change: HostChange | None = None
    badge: str | None = None

    def stream_keys(self) -> list[StreamKey]:
        """Return the streams that it is an event of."""
        return [StreamKey("room", self.room_id), *(StreamKey("user", user_id) for user_id in self.user_ids)]


def decode_record(record: Any) -> Envelope | None:
    """Return a record's event, None if it has none."""
    try:
        return envelope.decode_event(record.value, record.headers)
    except NotACloudEvent:
        return None


def parse_record(record: Any, partition: int, *, has_host_order: bool) -> StreamRecord | None:
    """Return a record as streams give it out, as `stream_record` does."""
    return stream_record(record, decode_record(record), partition, has_host_order=has_host_order)


def stream_record(
    record: Any, event: Envelope | None, partition: int, *, has_host_order: bool
) -> StreamRecord | None:
    """Return a record with its decoded event as streams give it out, None if no stream does.

    `has_host_order` says that the record's topic has the changes of hosts too, so that its own order tells
    which host was first.
    """
    if record.value is None:
        return _badge_removed(record, partition)
    if event is None:
        return None
    name = envelope.model_name(event.type)
    is_public = name in _PUBLIC_TYPES or name.startswith(_PUBLIC_PREFIXES)
    is_hosts = name in _HOSTS_TYPES or name.startswith(_HOSTS_PREFIXES)
    if not (is_public or is_hosts) or event.subject is None or not isinstance(event.data, dict):
        return None
    return StreamRecord(
        partition,
        record.offset,
        event.subject,
        _user_ids(name, event.data),
        b"event: %s\ndata: %s\n" % (name.encode(), record.value.translate(_ONE_LINE)),
        is_public,
        _parse_sequence(event) if has_host_order else None,
        None if has_host_order else event.time,
        _host_change(event) if name == "StageChanged" else None,
        f"{event.subject}/{event.data.get('userId')}" if name == "BadgeChanged" else None,
    )


def _badge_removed(record: Any, partition: int) -> StreamRecord | None:
    room_id, _, user_id = (record.key or b"").decode(errors="replace").partition("/")
    if is_stored_id(room_id) is None or is_stored_id(user_id) is None:
        return None
    text = f'event: BadgeRemoved\ndata: {{"roomId":"{room_id}","userId":"{user_id}"}}\n'.encode()
    badge = f"{room_id}/{user_id}"
    return StreamRecord(partition, record.offset, room_id, (user_id,), text, is_public=True, badge=badge)


def _user_ids(name: str, data: dict[str, Any]) -> tuple[str, ...]:
    if name.startswith("Invitation"):
        found = (data.get("userId"), data.get("invitedBy"))
    elif name in _USERS_TYPES or name.startswith(_USERS_PREFIXES):
        found = (data.get("userId"), None)
    else:
        return ()
    return tuple(dict.fromkeys(user_id for user_id in found if isinstance(user_id, str)))


def _parse_sequence(event: Envelope) -> int | None:
    digits = event.sequence or ""
    return int(digits) if digits.isdecimal() and len(digits) <= _MAX_SEQUENCE_DIGITS else None


def _host_change(event: Envelope) -> HostChange | None:
    sequence, host_id = _parse_sequence(event), event.data.get("hostId")
    if sequence is None or event.time is None or not isinstance(host_id, str):
        return None
    return HostChange(sequence, event.time, host_id)
