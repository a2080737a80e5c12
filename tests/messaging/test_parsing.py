"""Parsing of input records: commands, rejections and dead letters."""

import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from pydantic import TypeAdapter, ValidationError

from cohost_schemas import commands, facts, topics
from cohost_schemas.partitions import partition_of
from messaging.inputs import parsing, record_size
from messaging.inputs.parsing import ParsedRecord, RecordParser
from messaging.processor import InputRecord
from tests.messaging import counter_processor

COUNT = 3
ROOM = "room-1"
AT_MS = 1_767_268_800_123
PARSER = RecordParser(counter_processor.TOPOLOGY.inputs, "cohost.", COUNT)


def record(value: bytes | None, *, topic: str = "invitations.commands", **more: Any) -> ConsumerRecord:
    key: bytes | None = more.pop("key", ROOM.encode())
    partition: int = more.pop("partition", partition_of(ROOM, COUNT))
    return ConsumerRecord(
        topic="cohost." + topic,
        partition=partition,
        offset=7,
        timestamp=AT_MS,
        timestamp_type=1,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=more.pop("headers", ()),
    )


def event_bytes(**changes: Any) -> bytes:
    attributes = {
        "specversion": "1.0",
        "id": "command-1",
        "source": "/tests",
        "type": "cohost.LeaveStage.v1",
        "subject": ROOM,
        "data": {"roomId": ROOM, "actorId": "bob"},
        **changes,
    }
    return json.dumps({name: value for name, value in attributes.items() if value is not ...}).encode()


def parse_result(reading: ParsedRecord) -> object:
    return (
        reading.dead_letter_reason
        or reading.rejection_reason
        or (reading.input_record and reading.input_record.data)
    )


def test_a_valid_command_carries_the_brokers_time() -> None:
    data = commands.LeaveStage(room_id=ROOM, actor_id="bob")
    assert PARSER.parse_record(record(event_bytes())).input_record == InputRecord(
        partition_of(ROOM, COUNT),
        topics.INVITATION_COMMANDS,
        7,
        "2026-01-01T12:00:00.123Z",
        ROOM,
        "command-1",
        data,
    )


LONG = "x" * 257


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(record(None), "not_a_cloud_event", id="null value"),
        pytest.param(record(b"{"), "not_a_cloud_event", id="not JSON"),
        pytest.param(record(event_bytes(id="x" * 65)), "not_a_cloud_event", id="id too long"),
        pytest.param(record(event_bytes(source=...)), "not_a_cloud_event", id="no source"),
        pytest.param(record(event_bytes(subject="a\x00b")), "not_a_cloud_event", id="U+0000 in an attribute"),
        pytest.param(
            record(event_bytes(), partition=(partition_of(ROOM, COUNT) + 1) % COUNT),
            "wrong_partition",
            id="wrong partition",
        ),
        pytest.param(record(event_bytes(type="cohost.Leave.v1")), "unknown_command", id="unknown type"),
        pytest.param(record(event_bytes(id="an id")), "invalid_command", id="id breaks the rule"),
        pytest.param(record(event_bytes(id="..")), "invalid_command", id="id is .."),
        pytest.param(record(event_bytes(subject=...)), "invalid_command", id="no subject"),
        pytest.param(record(event_bytes(), key=None), "invalid_command", id="no key"),
        pytest.param(record(event_bytes(), key=b"\xff"), "invalid_command", id="key is not UTF-8"),
        pytest.param(
            record(event_bytes(subject=LONG), key=LONG.encode()),
            "invalid_command",
            id="subject and key too long",
        ),
        pytest.param(
            record(event_bytes(data={"roomId": "room-2", "actorId": "bob"})),
            "invalid_command",
            id="another room",
        ),
        pytest.param(
            record(event_bytes(data={"roomId": ROOM, "actorId": "bob", "x": 1})),
            "invalid_command",
            id="unknown field",
        ),
        pytest.param(
            record(event_bytes(data={"roomId": ROOM, "actorId": 5})), "invalid_command", id="wrong type"
        ),
        pytest.param(
            record(event_bytes(data={"room_id": ROOM, "actor_id": "bob"})), "invalid_command", id="snake case"
        ),
        pytest.param(record(event_bytes(data="text")), "invalid_command", id="data is not an object"),
        pytest.param(
            record(event_bytes(data={"roomId": ROOM, "actorId": "bob\n"})),
            "invalid_command",
            id="newline at the end of an id",
        ),
    ],
)
def test_an_invalid_record_has_a_reason(given: ConsumerRecord, expected: str) -> None:
    assert parse_result(PARSER.parse_record(given)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(record(b"[]", topic="rooms"), "not_a_cloud_event", id="not an object"),
        pytest.param(record(event_bytes(), topic="rooms"), "unknown_fact", id="unknown type"),
        pytest.param(
            record(event_bytes(type="cohost.RoomChanged.v1", data={"roomId": ROOM}), topic="rooms"),
            "invalid_fact",
            id="invalid data",
        ),
        pytest.param(
            record(None, topic="rooms", key=b"a b", partition=partition_of("a b", COUNT)), "invalid_fact"
        ),
        pytest.param(
            record(None, topic="rooms", key=b"elsewhere"),
            "wrong_partition",
            id="tombstone in another partition",
        ),
    ],
)
def test_an_invalid_fact_is_a_dead_letter(given: ConsumerRecord, expected: str) -> None:
    if expected == "wrong_partition":
        assert partition_of("elsewhere", COUNT) != partition_of(ROOM, COUNT)
    assert parse_result(PARSER.parse_record(given)) == expected


def test_a_fact_ignores_unknown_fields_and_nulls() -> None:
    data = {"roomId": ROOM, "hostId": "alice", "status": "live", "maxCoHosts": None, "colour": "red"}
    given = record(event_bytes(type="cohost.RoomChanged.v1", data=data), topic="rooms")
    assert parse_result(PARSER.parse_record(given)) == facts.RoomChanged(
        room_id=ROOM, host_id="alice", status="live"
    )


@pytest.mark.parametrize("key", [".", ".."])
def test_a_tombstone_of_what_was_stored_as_dots_is_taken(key: str) -> None:
    given = record(None, topic="rooms", key=key.encode(), partition=partition_of(key, COUNT))
    taken = PARSER.parse_record(given).input_record
    assert taken is not None
    assert (taken.key, taken.data) == (key, None)


def test_a_tombstones_id_is_its_position() -> None:
    reading = PARSER.parse_record(record(None, topic="rooms"))
    assert (reading.id, parse_result(reading)) == (f"cohost.rooms:{partition_of(ROOM, COUNT)}:7", None)


def test_a_tombstone_has_the_trace_of_its_headers() -> None:
    headers = (("tracestate", b"vendor=1"), ("traceparent", b"other"), ("traceparent", b"parent"))
    reading = PARSER.parse_record(record(None, topic="rooms", headers=headers))
    assert reading.correlation == (reading.id, "parent", "vendor=1")
    assert PARSER.parse_record(record(None, topic="rooms", headers=headers[:1])).correlation is None


def test_binary_mode_is_read_from_the_headers() -> None:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"command-1"),
        ("ce_source", b"/tests"),
        ("ce_type", b"cohost.LeaveStage.v1"),
        ("ce_subject", ROOM.encode()),
        ("content-type", b"application/json"),
        ("nothing", None),
    )
    body = json.dumps({"roomId": ROOM, "actorId": "bob"}).encode()
    assert parse_result(PARSER.parse_record(record(body, headers=headers))) == commands.LeaveStage(
        room_id=ROOM, actor_id="bob"
    )


def fail_validation(*_: object) -> None:
    pytest.fail("the model was asked")


UNKNOWN_FIELDS = {f"field-{number}": 1 for number in range(60_000)}


@pytest.mark.parametrize("more", [UNKNOWN_FIELDS, {"x": 1}])
def test_unknown_fields_are_refused_by_their_names_alone(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, int]
) -> None:
    monkeypatch.setattr(parsing, "validate_fields", fail_validation)
    given = record(event_bytes(data={"roomId": ROOM, "actorId": "bob", **more}))
    parsed = PARSER.parse_record(given)
    assert (parsed.rejection_reason, parsed.detail) == (
        "invalid_command",
        "The command's data has a field that is not known.",
    )


def test_a_list_of_invalid_ids_is_refused_at_its_first_one() -> None:
    blocked = {"userId": "bob", "status": "active", "blockedUserIds": ["no id!"] * 9000}
    with pytest.raises(ValidationError) as refused:
        facts.UserChanged.model_validate(blocked)
    assert refused.value.error_count() == 1


def test_many_errors_are_not_described_one_by_one() -> None:
    many = TypeAdapter(list[int])
    with pytest.raises(ValidationError) as refused:
        many.validate_python(["x"] * 21)
    assert parsing.describe_validation_error(refused.value).endswith("in many places.")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (record(b"x" * 1000, headers=(("name", b"x"),)), False),
        (record(b"x" * 70_000), True),
        (record(None, key=b"x" * 70_000), True),
        (record(b"x", headers=(("name", b"x" * 70_000),)), True),
        (record(b"x", headers=(("name", None),) * 20_000), True),
    ],
)
def test_a_large_record_is_known_by_its_size(given: ConsumerRecord, *, expected: bool) -> None:
    assert record_size.is_large(given) == expected


def test_unreadable_data_is_refused_with_a_sentence_about_it() -> None:
    parsed = PARSER.parse_record(record(event_bytes(data=..., data_base64="e30")))
    assert parsed.rejection_reason == "invalid_command"
    assert parsed.detail == "The command's data_base64 is not base64 of UTF-8 JSON, or stands beside data."
    given = record(event_bytes(type="cohost.RoomChanged.v1", data=..., data_base64="e30"), topic="rooms")
    assert parse_result(PARSER.parse_record(given)) == "invalid_fact"
