"""Records of the topics as JSON for ops, with each event byte for byte as it is on the topic."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json

from cohost.kafka.connection import KafkaConnection
from cohost_schemas import envelope, timestamps
from cohost_schemas.envelope import Headers


def encode_record(connection: KafkaConnection, record: Any) -> bytes:
    """Return a consumer's record as the JSON of a `LogRecord`."""
    attributes = {
        "topic": connection.topic_suffix(record.topic),
        "partition": record.partition,
        "offset": record.offset,
        "at": timestamps.from_ms(record.timestamp),
        "key": None if record.key is None else record.key.decode(errors="replace"),
    }
    return b'%s,"event":%s}' % (to_json(attributes)[:-1], _event_json(record.value, record.headers))


def encode_answer(lists: dict[str, Iterable[bytes]], **fields: Any) -> bytes:
    """Return a JSON object with these fields, one at least, and with lists of items that are JSON already."""
    encoded = b"".join(b',"%s":[%s]' % (name.encode(), b",".join(items)) for name, items in lists.items())
    return b"%s%s}" % (to_json(fields, by_alias=True)[:-1], encoded)


def _event_json(value: bytes | None, headers: Headers) -> bytes:
    try:
        event = envelope.decode_event(value, headers)
        if value is not None and not envelope.is_binary(headers):
            return value
        attributes = envelope.without_nulls(event._asdict())
        # Its data may have texts and numbers that no JSON has.
        return json.dumps({"specversion": "1.0", **attributes}, allow_nan=False).encode()
    except ValueError:
        return b"null"
