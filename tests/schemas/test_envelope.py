"""CloudEvents in structured and binary mode, and records that are not CloudEvents."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohost_schemas import envelope
from cohost_schemas.envelope import Envelope, NotACloudEvent, UnreadableData

STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]
EVENT = {"specversion": "1.0", "id": "c-1", "source": "/s", "type": "cohost.LeaveStage.v1"}
BINARY = [(f"ce_{name}", value.encode()) for name, value in EVENT.items()]
DATA = {"roomId": "room-1"}
READ = Envelope("c-1", "/s", "cohost.LeaveStage.v1", DATA)


def encoded(**changes: Any) -> bytes:
    event = {**EVENT, "data": DATA, **changes}
    return json.dumps({name: value for name, value in event.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    "headers",
    [
        STRUCTURED,
        [],
        [("content-type", b"APPLICATION/CloudEvents+JSON")],
        [("content-type", b"text/plain")],
        [("content-type", None)],
    ],
)
def test_a_structured_event_is_read_whatever_its_content_type(
    headers: list[tuple[str, bytes | None]],
) -> None:
    assert envelope.decode_event(encoded(), headers) == READ


def test_every_attribute_of_the_contract_is_read() -> None:
    attributes = {name: name for name in Envelope._fields[4:]}
    assert envelope.decode_event(encoded(**attributes), STRUCTURED) == READ._replace(**attributes)


def in_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("data", [DATA, {"a": "ä€🎤", "b": [None, 1.5]}, [], 5, "text", None, "\x00"])
@pytest.mark.parametrize("beside", [..., None])
def test_data_in_base64_is_the_data(data: object, beside: object) -> None:
    for raw in (json.dumps(data).encode(), json.dumps(data, ensure_ascii=False).encode()):
        event = encoded(data=beside, data_base64=in_base64(raw))
        assert envelope.decode_event(event, STRUCTURED) == READ._replace(data=data)


def test_no_data_in_base64_leaves_the_data() -> None:
    assert envelope.decode_event(encoded(data_base64=None), STRUCTURED) == READ


@pytest.mark.parametrize(
    "value",
    [
        *("", "e30", "e30==", "e3 0=", "e30=\n", "\ne30=", "e30=e30=", "e30.", "====", "{}", "é", "a\x00"),
        *(in_base64(b"\xfb\xff").replace("+", "-").replace("/", "_"), "eyJhIjoxfQ", "\ud800"),
        *(in_base64(raw) for raw in (b"{", b"\xff", b"\xef\xbb\xbf{}", b"NaN", b"{}{}", b"[" * 50_000)),
        *(5, True, False, ["e30="], {}),
    ],
)
def test_what_is_not_base64_of_json_is_unreadable(value: object) -> None:
    event = envelope.decode_event(encoded(data=..., data_base64=value), STRUCTURED)
    assert isinstance(event.data, UnreadableData)
    assert event == READ._replace(data=event.data)


@pytest.mark.parametrize("data", [DATA, {}, False, 0, ""])
def test_data_beside_data_in_base64_is_unreadable(data: object) -> None:
    event = encoded(data=data, data_base64=in_base64(json.dumps(data).encode()))
    assert isinstance(envelope.decode_event(event, STRUCTURED).data, UnreadableData)


@pytest.mark.parametrize("header", [b"e30=", b"", b"no base64"])
def test_a_binary_event_has_no_data_in_base64(header: bytes) -> None:
    headers = [*BINARY, ("ce_data_base64", header)]
    assert envelope.decode_event(b'{"roomId": "room-1"}', headers) == READ


TRACE_HEADERS = [
    *(("traceparent", b"first"), ("tracestate", b"first"), ("x", b"1")),
    *(("traceparent", b"parent"), ("tracestate", b"state=1")),
]


@pytest.mark.parametrize("attribute", [..., None, "", 5])
def test_the_trace_of_the_last_headers_is_used(attribute: object) -> None:
    traced = READ._replace(traceparent="parent", tracestate="state=1")
    event = encoded(traceparent=attribute, tracestate="attribute")
    assert envelope.decode_event(event, [*STRUCTURED, *TRACE_HEADERS]) == traced
    binary = envelope.decode_event(json.dumps(DATA).encode(), [*BINARY, *TRACE_HEADERS])
    assert binary == traced


def test_attributes_and_headers_of_a_trace_are_not_mixed() -> None:
    given = encoded(traceparent="attribute")
    assert envelope.decode_event(given, TRACE_HEADERS) == READ._replace(traceparent="attribute")
    given = encoded(tracestate="attribute")
    assert envelope.decode_event(given, TRACE_HEADERS[3:4]) == READ._replace(traceparent="parent")
    headers = [*BINARY, ("ce_traceparent", b"attribute"), *TRACE_HEADERS]
    assert envelope.decode_event(json.dumps(DATA).encode(), headers).tracestate is None


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"a\x00"])
def test_a_trace_header_that_is_not_text_counts_as_absent(value: bytes | None) -> None:
    headers = [*TRACE_HEADERS, ("traceparent", value)]
    assert envelope.decode_event(encoded(), headers) == READ
    headers = [*TRACE_HEADERS, ("tracestate", value)]
    assert envelope.decode_event(encoded(), headers) == READ._replace(traceparent="parent")


def test_attributes_that_are_not_known_are_ignored() -> None:
    assert (
        envelope.decode_event(encoded(partitionkey="x", dataschema="/d", extra={"a": 1}), STRUCTURED) == READ
    )


@pytest.mark.parametrize("value", [None, "", 5, True, ["room-1"], {}])
def test_an_optional_attribute_that_is_not_text_counts_as_absent(value: object) -> None:
    assert envelope.decode_event(encoded(subject=value, time=value, sequence=value), STRUCTURED) == READ


@pytest.mark.parametrize("data", [None, 5, "text", [], {"deep": [{"er": None}]}, "\ud800", "\x00", 10**400])
def test_data_may_be_any_json(data: object) -> None:
    assert envelope.decode_event(encoded(data=data), STRUCTURED) == READ._replace(data=data)


def test_an_event_may_have_no_data() -> None:
    assert envelope.decode_event(encoded(data=...), STRUCTURED) == READ._replace(data=None)


@pytest.mark.parametrize("content_type", [None, b"application/json", b"text/plain"])
def test_a_binary_event_is_read_from_its_headers(content_type: bytes | None) -> None:
    headers = [*BINARY, ("ce_subject", b"room-1"), ("content-type", content_type)]
    assert envelope.decode_event(b'{"roomId": "room-1"}', headers) == READ._replace(subject="room-1")


def test_binary_data_that_is_not_json_counts_as_no_data() -> None:
    assert envelope.decode_event(b"\xff{", BINARY) == READ._replace(data=None)


def test_a_header_named_like_data_is_not_the_data() -> None:
    assert envelope.decode_event(b'{"roomId": "room-1"}', [*BINARY, ("ce_data", b"{}")]) == READ


def test_a_structured_content_type_wins_over_binary_headers() -> None:
    headers = [*STRUCTURED, ("ce_specversion", b"0.3"), ("ce_id", b"other")]
    assert envelope.decode_event(encoded(), headers) == READ


def test_an_id_of_64_characters_is_taken_whatever_its_bytes() -> None:
    assert envelope.decode_event(encoded(id="ä" * 64), STRUCTURED).id == "ä" * 64


@pytest.mark.parametrize("name", ["id", "source", "type"])
@pytest.mark.parametrize("value", [..., None, "", 5, True, ["c-1"], "a\x00b", "\ud800"])
def test_an_event_needs_id_source_and_type(name: str, value: object) -> None:
    with pytest.raises(NotACloudEvent):
        envelope.decode_event(encoded(**{name: value}), STRUCTURED)


@pytest.mark.parametrize("value", [..., None, "", "1.1", "0.3", "1", 1, 1.0])
def test_only_version_1_0_is_a_cloud_event(value: object) -> None:
    with pytest.raises(NotACloudEvent):
        envelope.decode_event(encoded(specversion=value), STRUCTURED)


@pytest.mark.parametrize("name", ["subject", "time", "correlationid", "tracestate", "unheardof"])
def test_u0000_in_an_attribute_is_not_a_cloud_event(name: str) -> None:
    with pytest.raises(NotACloudEvent):
        envelope.decode_event(encoded(**{name: "a\x00"}), STRUCTURED)
    with pytest.raises(NotACloudEvent):
        envelope.decode_event(b"{}", [*BINARY, (f"ce_{name}", b"a\x00")])


def test_an_id_over_64_characters_is_not_a_cloud_event() -> None:
    with pytest.raises(NotACloudEvent):
        envelope.decode_event(encoded(id="x" * 65), STRUCTURED)


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_type"])
@pytest.mark.parametrize("value", [None, b"", b"\xff"])
def test_a_binary_event_needs_id_source_and_type(name: str, value: bytes | None) -> None:
    headers = [(header, value if header == name else given) for header, given in BINARY]
    with pytest.raises(NotACloudEvent):
        envelope.decode_event(b"{}", headers)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"null",
        b"5",
        b'"text"',
        b"[]",
        b"[" + encoded() + b"]",
        encoded()[:-1],
        encoded() + b"}",
        encoded().replace(b"c-1", b"\xff"),
        encoded().replace(b"c-1", b"c\n1"),
        encoded().replace(b'"room-1"', b"NaN"),
        encoded().replace(b'"room-1"', b"-Infinity"),
        b"\xef\xbb\xbf" + encoded(),
        encoded().decode().encode("utf-16"),
    ],
)
def test_a_value_that_is_not_a_utf_8_json_object_is_not_a_cloud_event(value: bytes | None) -> None:
    with pytest.raises(NotACloudEvent):
        envelope.decode_event(value, STRUCTURED)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=2), max_size=2)
)
names = st.sampled_from([*Envelope._fields, "specversion", "extra"])
objects = st.dictionaries(names, anything | st.sampled_from(["1.0", "c-1"]), max_size=8).map(
    lambda event: json.dumps(event).encode()
)
header_names = st.sampled_from(["content-type", *(f"ce_{name}" for name in EVENT), "ce_subject"])
headers_ = st.lists(
    st.tuples(header_names, st.none() | st.binary(max_size=5) | st.sampled_from([b"1.0", STRUCTURED[0][1]])),
    max_size=6,
)


@given(value=st.none() | st.binary(max_size=20) | objects, headers=headers_)
def test_reading_ends_in_an_event_or_in_not_a_cloud_event(
    value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    decode_or_refuse(value, headers)


@pytest.mark.parametrize(
    "value", [b"[" * 200_000, b'{"data":' * 200_000, b'{"data":' + b"9" * 5000 + b"}", b'{"data":1e999}']
)
def test_reading_deep_or_large_values_ends_the_same_way(value: bytes) -> None:
    decode_or_refuse(value, [])
    decode_or_refuse(value, BINARY)


def decode_or_refuse(value: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
    try:
        event = envelope.decode_event(value, headers)
    except NotACloudEvent:
        return
    assert event.id
    assert event.source
    assert event.type
    assert all(field is None or "\x00" not in field for field in event[4:])


def test_a_type_is_its_models_name_with_prefix_and_version() -> None:
    assert envelope.wire_type("LeaveStage") == "cohost.LeaveStage.v1"
    assert envelope.model_name("cohost.LeaveStage.v1") == "LeaveStage"
    assert envelope.model_name("com.example.Other") == "com.example.Other"


def test_null_equals_absent() -> None:
    assert envelope.without_nulls({"roomId": "r", "message": None, "hard": False}) == {
        "roomId": "r",
        "hard": False,
    }


def test_a_built_event_is_decoded_with_its_optional_attributes() -> None:
    built = envelope.build_cloud_event(
        "LeaveStage", {"a": 1}, event_id="c-1", source="/s", subject="room", causationid="c-0"
    )
    assert envelope.decode_event(envelope.encode_event(built), []) == Envelope(
        "c-1", "/s", "cohost.LeaveStage.v1", {"a": 1}, "room", causationid="c-0"
    )


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1,", b'"",'])
def test_a_large_value_of_very_many_parts_is_not_parsed(part: bytes) -> None:
    event = b'{"specversion":"1.0","id":"i","source":"s","type":"t","data":[%s1]}'
    with pytest.raises(NotACloudEvent, match="too many parts"):
        envelope.decode_event(event % (part * 600_000), STRUCTURED)
    assert envelope.decode_event(event % (part * 90_000), STRUCTURED).id == "i"
    assert envelope.decode_event(event % (b" " * 20_000_000), STRUCTURED).data == [1]
