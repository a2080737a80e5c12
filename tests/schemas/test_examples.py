"""The examples equal the wire format byte for byte and are valid against the published schemas."""

import json
from typing import Any

import pytest

from cohost_schemas import envelope
from cohost_schemas.export import catalog
from tests.contract.published_schemas import published_validator
from tests.golden import log
from tests.schemas import example_models

NAMES = [model.__name__ for model in catalog.PUBLISHED_MODELS]
MODELS = {model.__name__: model for model in catalog.PUBLISHED_MODELS}


def example(name: str) -> dict[str, Any]:
    return catalog.load_example(MODELS[name])


def test_every_published_type_has_an_example() -> None:
    assert sorted(example_models.ALL) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_is_written_as_its_example(name: str) -> None:
    expected = example(name)
    written = envelope.encode_event({**expected, "data": example_models.ALL[name]})
    assert written == json.dumps(expected, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_read_as_its_message(name: str) -> None:
    value = json.dumps(example(name)).encode()
    event = envelope.decode_event(value, [("content-type", envelope.CONTENT_TYPE)])
    assert envelope.model_name(event.type) == name
    data = envelope.without_nulls(event.data)
    assert MODELS[name].model_validate(data, by_alias=True, by_name=False) == example_models.ALL[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_valid_by_the_published_schema(name: str) -> None:
    published_validator(name).validate(example(name))
    published_validator("CloudEvent").validate(example(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_published_schema_requires_the_envelopes_attributes(name: str) -> None:
    for attribute in ("specversion", "id", "source", "type", "subject", "data"):
        left_out = {key: value for key, value in example(name).items() if key != attribute}
        assert not published_validator(name).is_valid(left_out)


@pytest.mark.parametrize("service", ["invitations", "broadcast"])
def test_the_golden_records_are_valid_by_the_published_schemas(service: str) -> None:
    records = [json.loads(line) for line in log.read(service, "records")]
    events = [
        record["value"]["json"]
        for record in records
        if record["value"] is not None and not record["topic"].endswith(".dead-letters")
    ]
    assert events
    for event in events:
        published_validator(envelope.model_name(event["type"])).validate(event)
