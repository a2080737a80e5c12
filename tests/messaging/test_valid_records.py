"""Records that are read in one pass are what the parser's full checks make of them."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from cohost_schemas import envelope
from cohost_schemas.envelope import Envelope
from cohost_schemas.export import catalog
from cohost_schemas.partitions import partition_of_bytes
from messaging.inputs.parsing import ParsedRecord, RecordParser
from messaging.processor import InputTopic
from services.runtime import inputs

COUNT = 3
USUAL = (("content-type", envelope.CONTENT_TYPE),)
TRACE = (("traceparent", b"00-1"), ("tracestate", b"a=1"))
PARSER = RecordParser((*inputs.INVITATIONS, *inputs.BROADCAST), "cohost.", COUNT)

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Written:
    """A record whose event is given by its attributes and fields, with the JSON of each."""

    topic: InputTopic
    attributes: Pairs
    fields: Pairs
    key: bytes | None
    headers: Any = USUAL
    is_misplaced: bool = False
    separator: bytes = b","
    edits: tuple[tuple[int, int, bytes], ...] = ()

    def value(self) -> bytes:
        data = json_object(self.fields, self.separator)
        texts = [(name, data if text == "DATA" else text.encode()) for name, text in self.attributes]
        value = b"{" + self.separator.join(b'"%s":%s' % (name.encode(), text) for name, text in texts) + b"}"
        for place, deleted, inserted in self.edits:
            at = place % (len(value) + 1)
            value = value[:at] + inserted + value[at + deleted :]
        return value

    def record(self) -> ConsumerRecord:
        right = partition_of_bytes(self.key or b"", COUNT)
        return ConsumerRecord(
            topic=self.topic.topic.full_name("cohost."),
            partition=(right + self.is_misplaced) % COUNT,
            offset=7,
            timestamp=1_767_268_800_123,
            timestamp_type=1,
            key=self.key,
            value=self.value(),
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=self.headers,
        )


def json_object(pairs: Pairs, separator: bytes) -> bytes:
    return b"{" + separator.join(f'"{name}":{text}'.encode() for name, text in pairs) + b"}"


def to_pairs(found: dict[str, Any]) -> Pairs:
    return tuple((name, json.dumps(value, ensure_ascii=False)) for name, value in found.items())


def written_examples() -> list[Written]:
    found = []
    for topic in (*inputs.INVITATIONS, *inputs.BROADCAST):
        for model in set(topic.models) & set(catalog.PUBLISHED_MODELS):
            example = catalog.load_example(model)
            example.pop("traceparent", None)
            attributes = tuple((name, "DATA" if name == "data" else text) for name, text in to_pairs(example))
            found.append(Written(topic, attributes, to_pairs(example["data"]), example["subject"].encode()))
    return found


EXAMPLES = sorted(written_examples(), key=lambda written: written.attributes)


def example_of(name: str) -> Written:
    [found] = [written for written in EXAMPLES if ("type", f'"cohost.{name}.v1"') in written.attributes]
    return found


def as_text(parsed: ParsedRecord) -> str:
    """Return everything that is known about a record, with the types of its data's values."""
    found = parsed.envelope
    event = None if found is None else [getattr(found, name) for name in Envelope._fields]
    parts = [getattr(parsed, name) for name in ParsedRecord.__struct_fields__ if name != "envelope"]
    return repr([event, *parts])


def check_same(record: ConsumerRecord) -> bool:
    """Return whether the record was read in one pass."""
    parsed = PARSER.parse_valid(record)
    if parsed is not None:
        assert as_text(parsed) == as_text(PARSER.parse_any(record))
    return parsed is not None


def set_text(pairs: Pairs, name: str, text: str) -> Pairs:
    return (*(pair for pair in pairs if pair[0] != name), (name, text))


@pytest.mark.parametrize("written", EXAMPLES, ids=lambda written: dict(written.attributes)["type"])
@pytest.mark.parametrize("headers", [USUAL, (), (("content-type", b"application/json"), *TRACE)])
@pytest.mark.parametrize("own", [(), (("traceparent", '"00-2"'), ("time", "null"))])
def test_a_valid_record_is_read_in_one_pass(written: Written, headers: Any, own: Pairs) -> None:
    assert check_same(replace(written, headers=headers, attributes=(*written.attributes, *own)).record())


def test_null_is_read_in_one_pass_as_absent() -> None:
    written = example_of("SendInvitation")
    fields = set_text(written.fields, "expiresInSeconds", "null")
    assert check_same(replace(written, fields=fields).record())


ODD_TEXTS = (
    *('"1.0"', '"0.3"', '"room-1"', '"x"', '"a b"', '"."', '""', '"x\n"', '"\x00"', '"ä🎤"', '"\x7f"'),
    *(r'"\u0000"', r'"\ud800"', r'"\u00e4"', r'"a\nb"', r'"\/"', r'"\x"', f'"{"x" * 64}"'),
    *(f'"{"ä" * 64}"', f'"{"x" * 65}"', f'"{"ä" * 65}"', f'"{"x" * 300}"', f'"{"x" * 70_000}"'),
    *("null", "true", "5", "0", "-0", "600.0", "6e2", "6E+2", "600.5", "1e400", "9" * 30, "9" * 5000),
    *("01", "1.", ".5", "-", "+1", "NaN", "-Infinity", "tru", "", "5 5", "0x5", "1_0"),
    *("[]", "{}", "[1,]", '{"a":1,}', "[[[[5]]]]", '{"a":{"b":{"c":{}}}}', "[" * 300 + "]" * 300),
    *('["bob"]', '["bob","bob"]', '["a b"]', "[null]", '{"a":null}', "DATA", '{"\xff":1}', '[1"'),
)
ODD_BYTES = (
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b"\n", b"\xc2\xa0"),
    *(b"\\", b"\\u", b'"', b",", b"}", b"]", b" ", b"0"),
)
ATTRIBUTES = (
    *("specversion", "datacontenttype", "dataschema", "data_base64", "partitionkey", r"\u0069d"),
    *Envelope._fields,
)
FIELDS = (
    *("roomId", "userId", "actorId", "invitationId", "hostId", "status", "maxCoHosts", "message", "label"),
    *("expiresInSeconds", "blockedUserIds", "userIds", "hard", "source", "room_id", "colour"),
)


KEYS = (None, b"room-2", b"room-1", b"a b", b"\xff", b"", "ä".encode(), b".", b"x" * 300)
HEADER_NAMES = ("content-type", "traceparent", "tracestate", "ce_specversion", "ce_id", "other")
HEADER_VALUES = (None, b"", b"1.0", b"\xff", b"a\x00", b"00-1", b"x" * 600)


def with_odd_texts(written: Written) -> Iterator[Written]:
    """Yield the record with each odd value of each attribute and field, in its place and beside it."""
    for text in ODD_TEXTS:
        for name in ATTRIBUTES:
            yield replace(written, attributes=set_text(written.attributes, name, text))
            yield replace(written, attributes=((name, text), *written.attributes))
            yield replace(written, attributes=(*written.attributes, (name, text)))
        for name in FIELDS:
            yield replace(written, fields=set_text(written.fields, name, text))
            yield replace(written, fields=((name, text), *written.fields))
            yield replace(written, fields=(*written.fields, (name, text)))


def with_odd_bytes(written: Written) -> Iterator[Written]:
    """Yield the record with each odd byte in each place."""
    for place in range(len(written.value()) + 1):
        for deleted, inserted in ((1, b""), *((0, odd) for odd in ODD_BYTES), (1, b"0")):
            yield replace(written, edits=((place, deleted, inserted),))


def with_odd_records(written: Written) -> Iterator[Written]:
    """Yield the event in records that it does not belong into."""
    yield replace(written, is_misplaced=True)
    for key in KEYS:
        name = to_camel(written.topic.key_field)
        for text in (json.dumps((key or b"").decode(errors="replace")), "null"):
            subject = set_text(written.attributes, "subject", text)
            yield replace(written, key=key, attributes=subject)
            yield replace(written, key=key, fields=set_text(written.fields, name, text))
            yield replace(written, key=key, attributes=subject, fields=set_text(written.fields, name, text))
    for count in (1, 2):
        for headers in itertools.product(itertools.product(HEADER_NAMES, HEADER_VALUES), repeat=count):
            yield replace(written, headers=headers)
            yield replace(written, headers=(*USUAL, *headers))
            yield replace(written, headers=headers, attributes=(*written.attributes, ("traceparent", '"x"')))


@pytest.mark.parametrize("name", ["SendInvitation", "RoomChanged", "UserChanged", "MuteCoHost"])
@pytest.mark.parametrize("variants", [with_odd_texts, with_odd_bytes, with_odd_records])
def test_a_record_with_one_oddity_is_read_as_by_the_full_checks(
    name: str, variants: Callable[[Written], Iterator[Written]]
) -> None:
    quick = {check_same(variant.record()) for variant in variants(example_of(name))}
    assert quick == {True, False}


odd_texts = st.sampled_from(ODD_TEXTS)
edits = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 2), st.sampled_from(ODD_BYTES)), max_size=2
).map(tuple)
headers_ = st.lists(st.tuples(st.sampled_from(HEADER_NAMES), st.sampled_from(HEADER_VALUES)), max_size=40)


@st.composite
def odd_records(draw: st.DrawFn) -> ConsumerRecord:
    """A record with several oddities."""
    written = draw(st.sampled_from(EXAMPLES))
    attributes, fields = written.attributes, written.fields
    for name in draw(st.lists(st.sampled_from(ATTRIBUTES), max_size=2)):
        attributes = set_text(attributes, name, draw(odd_texts))
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=2)):
        fields = set_text(fields, name, draw(odd_texts))
    return replace(
        written,
        attributes=tuple(draw(st.permutations(attributes))),
        fields=fields,
        key=draw(st.sampled_from([written.key, written.key, *KEYS])),
        headers=draw(st.just(USUAL) | headers_.map(tuple)),
        separator=draw(st.sampled_from([b",", b" ,\r\n\t"])),
        edits=draw(st.just(()) | edits),
    ).record()


@given(odd_records())
def test_a_record_with_several_oddities_is_read_as_by_the_full_checks(record: ConsumerRecord) -> None:
    check_same(record)
