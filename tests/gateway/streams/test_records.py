"""The topics' records as streams give them out: to whom, and in which form."""

import pytest

from cohost_schemas import envelope, events, topics
from cohost_schemas.topics import Topic
from services.gateway.streams import records
from services.gateway.streams.hosts import HostChange
from services.gateway.streams.records import StreamRecord
from tests.gateway.streams import stream_log
from tests.gateway.streams.stream_log import RawRecord, SequenceCounter, WrittenEvent

PUBLIC = {
    *("StageChanged", "StageArranged", "CoHostLeft", "BadgeChanged", "CoHostConnected", "CoHostDisconnected"),
    *("CoHostReconnected", "CoHostLost", "CoHostMediaChanged", "CoHostMuted", "CoHostUnmuteRequested"),
    *("HostConnected", "HostDisconnected", "HostReconnected"),
}
NOT_ABOUT_A_USER = {"StageChanged", "StageArranged", "IntruderRemoved", "RecordingFinished"}
TOPICS = {
    **dict.fromkeys((model.__name__ for model in events.INVITATIONS), topics.INVITATION_EVENTS),
    **dict.fromkeys((model.__name__ for model in events.BROADCAST), topics.BROADCAST_EVENTS),
    "ParticipantQualityChanged": topics.BROADCAST_EVENTS,
    "BadgeChanged": topics.BADGES,
}


def parse(event: WrittenEvent, value: bytes | None = None) -> StreamRecord | None:
    encoded = SequenceCounter().encode(event) if value is None else value
    raw = RawRecord(event.topic.suffix, 1, 7, stream_log.key_of(event), encoded)
    return records.parse_record(raw, 4, has_host_order=event.topic is topics.INVITATION_EVENTS)


def event_of(name: str, topic: Topic, **data: str) -> WrittenEvent:
    return WrittenEvent(topic, name, "show", {"roomId": "show", "userId": "bob", **data})


@pytest.mark.parametrize(("name", "topic"), TOPICS.items())
def test_each_type_is_for_everybody_or_for_the_host(name: str, topic: Topic) -> None:
    record = parse(event_of(name, topic, invitedBy="alice"))
    assert record is not None
    assert record.is_public == (name in PUBLIC)
    expected = () if name in NOT_ABOUT_A_USER else ("bob",)
    assert record.user_ids == (("bob", "alice") if name.startswith("Invitation") else expected)


@pytest.mark.parametrize("name", ["CommandRejected", "RoomPainted", "BadgeRemoved"])
def test_other_types_are_on_no_stream(name: str) -> None:
    value = envelope.encode_event(
        envelope.build_cloud_event(name, {"userId": "bob"}, event_id="1", source="/x", subject="show")
    )
    assert parse(event_of(name, topics.BROADCAST_EVENTS), value) is None


@pytest.mark.parametrize("value", [b"no json", b"[]", b"{}"])
def test_a_record_that_is_no_cloud_event_is_on_no_stream(value: bytes) -> None:
    assert parse(event_of("CoHostLost", topics.BROADCAST_EVENTS), value) is None


def test_an_event_is_given_out_as_it_is_on_the_topic() -> None:
    event = stream_log.co_host_left("show", "bob")
    value = SequenceCounter().encode(event) or b""
    assert parse(event, value) == StreamRecord(
        4, 7, "show", ("bob",), b"event: CoHostLeft\ndata: " + value + b"\n", is_public=True, sequence=1
    )


def test_an_event_with_line_breaks_is_given_out_in_one_line() -> None:
    event = stream_log.co_host_left("show", "bob")
    value = (SequenceCounter().encode(event) or b"").replace(b",", b",\r\n")
    record = parse(event, value)
    assert record is not None
    assert record.text == b"event: CoHostLeft\ndata: " + value.replace(b"\r\n", b"  ") + b"\n"


def test_a_removed_badge_has_room_and_user_alone() -> None:
    raw = RawRecord("badges", 1, 7, b"show/bob", None)
    text = b'event: BadgeRemoved\ndata: {"roomId":"show","userId":"bob"}\n'
    assert records.parse_record(raw, 4, has_host_order=False) == StreamRecord(
        4, 7, "show", ("bob",), text, is_public=True, badge="show/bob"
    )


@pytest.mark.parametrize("key", [b"", b"show", b"show/", b"/bob", b"\xff/bob", b'a"b/bob'])
def test_a_tombstone_with_another_key_is_on_no_stream(key: bytes) -> None:
    assert records.parse_record(RawRecord("badges", 1, 7, key, None), 4, has_host_order=False) is None


def test_a_change_of_the_stage_names_the_host() -> None:
    record = parse(stream_log.stage_changed("show", "alice", second=5))
    assert record is not None
    assert record.host_change == HostChange(1, stream_log.time_of(5), "alice")


def test_the_other_topics_are_ordered_by_time() -> None:
    record = parse(stream_log.broadcast_event("GrantProvisioned", "show", "bob", second=3))
    assert record is not None
    assert (record.sequence, record.time) == (None, stream_log.time_of(3))
