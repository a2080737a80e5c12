"""A refused record is explained: the part of it, what it must be, and what it is."""

import pytest
from aiokafka import ConsumerRecord

from cohost_schemas.partitions import partition_of
from messaging.inputs.explanation import explain_refusal
from messaging.inputs.parsing import RecordParser
from tests.messaging import counter_processor
from tests.messaging.test_parsing import COUNT, ROOM, event_bytes, record

PARSER = RecordParser(counter_processor.TOPOLOGY.inputs, "cohost.", COUNT)
INPUTS = {entry.topic.full_name("cohost."): entry for entry in counter_processor.TOPOLOGY.inputs}
ID_RULE = "must be 1 to 64 characters of A-Z a-z 0-9 . _ : @ -, and not . or .."
LARGE = b"[" + b"1," * 600_000 + b"1]"
BINARY = [("ce_specversion", b"1.0"), ("ce_id", b"x" * 65)]


def explain(given: ConsumerRecord) -> str | None:
    return explain_refusal(PARSER.parse_record(given), INPUTS[given.topic], COUNT)


def test_a_valid_record_needs_no_explanation() -> None:
    assert explain(record(event_bytes())) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            record(None),
            "value: must be a CloudEvent; it is null, which only facts about rooms and users may be",
        ),
        (record(b""), "value: must be a CloudEvent; it is empty"),
        (record(None, topic="rooms", key=None), "key: must be the id of a room or user; it is absent"),
        (
            record(b"{,"),
            (
                "value: must be a JSON object in UTF-8; it is not JSON: "
                "Expecting property name enclosed in double quotes at line 1, column 2"
            ),
        ),
        (
            record(b'"\xff"'),
            "value: must be a JSON object in UTF-8; byte 1 is 0xff, which is not UTF-8 there",
        ),
        (record(b"NaN"), "value: must be a JSON object in UTF-8; it has NaN or Infinity, which are not JSON"),
        (record(b"[" * 100_000), "value: must be a JSON object in UTF-8; it is nested too deeply"),
        (
            record(LARGE),
            (
                "value: must be a JSON object in UTF-8; it has 1200003 bytes, "
                "and too many of the characters , [ and { for more than 1 MiB"
            ),
        ),
        (
            record(b'"' + b"x" * 200 + b'"'),
            f'value: must be a JSON object; it is "{"x" * 99}… (202 characters)',
        ),
        (
            record(event_bytes(specversion="0.3", source="", type=...)),
            (
                'specversion: must be "1.0"; it is "0.3"\n'
                'source: must be text that is not empty; it is ""\n'
                "type: must be text that is not empty; it is absent"
            ),
        ),
        (
            record(event_bytes(id="x" * 65)),
            f'id: must have at most 64 characters; it has 65; it is "{"x" * 65}"',
        ),
        (
            record(event_bytes(subject="a\x00b")),
            'subject: must have no U+0000 and no lone surrogate; it is "a\\u0000b"',
        ),
        (
            record(b"1", headers=BINARY),
            (
                f'ce_id: must have at most 64 characters; it has 65; it is "{"x" * 65}"\n'
                "ce_source: must be text that is not empty; it is absent\n"
                "ce_type: must be text that is not empty; it is absent"
            ),
        ),
    ],
)
def test_what_is_no_cloud_event_is_explained(given: ConsumerRecord, expected: str) -> None:
    assert explain(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            record(event_bytes(data={"roomId": ROOM, "actorId": 5, "more": [1]})),
            "data.actorId: must be a valid string; it is 5\ndata.more: must not be there; it is [1]",
        ),
        (record(event_bytes(data={"actorId": "bob"})), "data.roomId: must be there; it is absent"),
        (record(event_bytes(data="text")), 'data: must be a JSON object; it is "text"'),
        (
            record(event_bytes(data=..., data_base64="!")),
            "data_base64: must be base64 of JSON in UTF-8, without data beside it",
        ),
        (record(event_bytes(id="an id")), f'id: {ID_RULE}; it is "an id"'),
        (record(event_bytes(subject=...)), f'subject: must be data.roomId, "{ROOM}"; it is absent'),
        (record(event_bytes(), key=b"\xff\x00"), f'key: must be data.roomId, "{ROOM}"; it is 0xff00'),
        (
            record(event_bytes(data={"roomId": ROOM, **{f"odd{number}": 1 for number in range(9)}})),
            "data.actorId: must be there; it is absent\n"
            + "".join(f"data.odd{number}: must not be there; it is 1\n" for number in range(4))
            + "data: and 5 more faults",
        ),
        (
            record(event_bytes(data={"roomId": ROOM, **{f"odd{number}": 1 for number in range(2000)}})),
            "data: breaks its schema in 2001 places",
        ),
    ],
)
def test_what_is_wrong_with_a_command_is_explained(given: ConsumerRecord, expected: str) -> None:
    assert explain(given) == expected


def test_a_wrong_partition_is_explained_by_its_key_and_its_client() -> None:
    right = partition_of(ROOM, COUNT)
    explanation = explain(record(None, topic="rooms", partition=(right + 1) % COUNT)) or ""
    rule = f'partition: must be {right}, by murmur2 of the key "{ROOM}" and {COUNT} partitions'
    assert explanation.startswith(f"{rule}; it is {(right + 1) % COUNT}. ")
    of_command = explain(record(event_bytes(), key=None, partition=(right + 1) % COUNT)) or ""
    assert of_command == explanation.split(". ")[0].replace("key", "subject") + ". It has no key."


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b'"\\ud800"', r'value: must be a JSON object; it is "\ud800"'),
        (event_bytes(specversion="\ud800"), r'specversion: must be "1.0"; it is "\ud800"'),
        (event_bytes(**{"a\ud800": "\x00"}), r"a\ud800: must have no U+0000 and no lone surrogate"),
        (event_bytes(data={"counterId": "\ud800"}), r'it is "\ud800"'),
    ],
)
def test_an_explanation_can_be_sent_whatever_the_record_has(value: bytes, line: str) -> None:
    explanation = explain(record(value))
    assert explanation is not None
    assert line in explanation.encode().decode()
