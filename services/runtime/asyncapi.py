"""The topics that a service reads and writes: as an AsyncAPI 3.0 document, and as a page without scripts."""

import functools
import html
import inspect
import json
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from faststream.specification.base import SpecificationFactory

from cohost_schemas import envelope
from cohost_schemas.export import catalog, json_schema
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging.processor import InputTopic

Schema = dict[str, Any]
Action = Literal["receive", "send"]

API_VERSION = "1.1"

_DESCRIPTION = (
    "CloudEvents 1.0 in structured mode. What the service writes is committed in transactions: read with"
    " isolation.level=read_committed."
)
_REFERENCE = "#/components/schemas/{model}"
_CLOUD_EVENT = "application/cloudevents+json"
_SEQUENCE: Schema = {"type": "string", "description": "The attribute `sequence`, in plain decimal."}
_TRACE_HEADERS: Schema = {
    name: {"type": "string", "description": "Used where the event has no `traceparent`; the last one counts."}
    for name in ("traceparent", "tracestate")
}
_TOMBSTONE: Schema = {
    "name": "tombstone",
    "title": "Tombstone",
    "summary": "The room or user of the key is deleted.",
    "headers": {"type": "object", "properties": _TRACE_HEADERS},
    "payload": {"type": "null"},
}
_DEAD_LETTER: Schema = {
    "name": "dead-letter",
    "title": "Dead letter",
    "summary": "A record that is not a CloudEvent, or a fact that breaks its schema, copied unchanged.",
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "properties": {
            "dead-letter-reason": {
                "enum": ["not_a_cloud_event", "wrong_partition", "unknown_fact", "invalid_fact"]
            },
            "dead-letter-topic": {"type": "string"},
            "x-original-topic": {"type": "string", "description": "The same as `dead-letter-topic`."},
            "dead-letter-partition": {"type": "string", "pattern": "^[0-9]+$"},
            "dead-letter-offset": {"type": "string", "pattern": "^[0-9]+$"},
            "dead-letter-time": {"type": "string"},
            "dead-letter-truncated": {"type": "string", "description": "How many bytes were cut off."},
            "sequence": _SEQUENCE,
        },
    },
    "payload": {},
}


class DocumentedTopics(Protocol):
    """The topics that a process reads and writes."""

    @property
    def name(self) -> str:
        """Return the name of the process."""

    @property
    def inputs(self) -> tuple[InputTopic, ...]:
        """Return what it reads."""

    @property
    def outputs(self) -> tuple[Topic, ...]:
        """Return what it writes."""


class ServiceSpecification(SpecificationFactory):
    """A service's AsyncAPI document as FastStream's specification: `faststream docs gen` writes it."""

    contact = None
    license = None

    def __init__(self, title: str, topology: DocumentedTopics, prefix: str, partitions: int) -> None:
        self.title = title
        self.version = API_VERSION
        self.description = _DESCRIPTION
        self._topology = topology
        self._prefix = prefix
        self._partitions = partitions

    def add_broker(self, _: object, /) -> Self:
        """Return the specification unchanged: the topology has the broker's topics."""
        return self

    def add_http_route(self, path: str, handler: object) -> Self:  # noqa: ARG002 - FastStream passes them by name
        """Return the specification unchanged: HTTP is described by OpenAPI."""
        return self

    def to_specification(self) -> "AsyncApiDocument":
        """Return the document."""
        return AsyncApiDocument(
            build_document(self.title, self.version, self._topology, self._prefix, self._partitions)
        )


@dataclass(frozen=True, slots=True)
class AsyncApiDocument:
    """The AsyncAPI document, with the methods that FastStream calls on a specification."""

    content: Schema

    @property
    def title(self) -> str:
        """Return the service's title."""
        return str(self.content["info"]["title"])

    def to_jsonable(self) -> Schema:
        """Return the document as JSON values."""
        return self.content

    def to_json(self) -> str:
        """Return the document as JSON text."""
        return json.dumps(self.content)

    def to_yaml(self) -> str:
        """Return the document as JSON text, which is YAML too."""
        return json.dumps(self.content, indent=2)


def union_of(models: Iterable[type[Message]]) -> Any:
    """Return the union of the data types of a topic, as FastStream declares a publisher's schema."""
    return functools.reduce(operator.or_, models)


def build_document(
    title: str, version: str, topology: DocumentedTopics, prefix: str, partitions: int
) -> Schema:
    """Build the AsyncAPI document of a service, with the real topic names."""
    received = {entry.topic: _message_names(entry.topic) for entry in topology.inputs}
    requested = catalog.EFFECT_OUTPUTS.get(topology.name, {})
    sent = {
        **{topic: _message_names(topic) for topic in topology.outputs},
        **{topic: [model.__name__ for model in models] for topic, models in requested.items()},
    }
    channels = {**received, **sent}
    models = dict.fromkeys(model for topic in channels for model in catalog.MODELS_BY_TOPIC.get(topic, ()))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": version,
            "description": _DESCRIPTION,
        },
        "defaultContentType": _CLOUD_EVENT,
        "channels": {topic.suffix: _channel(topic, prefix, partitions) for topic in channels},
        "operations": {
            **dict(_operation("receive", topic, names) for topic, names in received.items()),
            **dict(_operation("send", topic, names) for topic, names in sent.items()),
        },
        "components": {
            "messages": {
                **{model.__name__: _message(model) for model in models},
                "Tombstone": _TOMBSTONE,
                "DeadLetter": _DEAD_LETTER,
            },
            "schemas": json_schema.model_definitions(models, _REFERENCE),
        },
    }


def render_page(document: Schema) -> str:
    """Render the document as HTML."""
    info = document["info"]
    sections = "".join(_section(operation, document) for operation in document["operations"].values())
    title = html.escape(info["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "pre{background:#8881;padding:1rem;overflow:auto;font-size:.85rem}</style></head><body>"
        f"<h1>{title}</h1><p>{html.escape(info['description'])}</p>"
        '<p>For programs: <a href="asyncapi.json">AsyncAPI 3.0</a></p>'
        f"{sections}<h2>Schemas</h2>{''.join(_details(*item) for item in _schemas(document))}</body></html>"
    )


def _channel(topic: Topic, prefix: str, partitions: int) -> Schema:
    return {
        "address": topic.full_name(prefix),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _message_names(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.full_name(prefix),
                "partitions": partitions,
                "topicConfiguration": {
                    name: [value] if name == "cleanup.policy" else int(value)
                    for name, value in topic.config
                    if name.endswith((".policy", ".ms", ".bytes"))
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message_names(topic: Topic) -> list[str]:
    names = [model.__name__ for model in catalog.MODELS_BY_TOPIC.get(topic, ())]
    return [*names, *(["Tombstone"] if topic in catalog.TOMBSTONE_TOPICS else [])] or ["DeadLetter"]


def _operation(action: Action, topic: Topic, names: Iterable[str]) -> tuple[str, Schema]:
    return f"{action}.{topic.suffix}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.suffix}"},
        "messages": [{"$ref": f"#/channels/{topic.suffix}/messages/{name}"} for name in names],
    }


def _message(model: type[Message]) -> Schema:
    content_type = {"const": envelope.CONTENT_TYPE.decode()}
    published = model in catalog.PUBLISHED_MODELS
    trace = _TRACE_HEADERS if model in catalog.COMMANDS + catalog.FACTS else {}
    return {
        "name": envelope.wire_type(model.__name__),
        "title": model.__name__,
        "summary": inspect.cleandoc(model.__doc__ or ""),
        "contentType": _CLOUD_EVENT,
        "headers": {
            "type": "object",
            "properties": {"content-type": content_type, "sequence": _SEQUENCE, **trace},
        },
        "payload": json_schema.cloud_event_schema(model, _REFERENCE),
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
        "examples": [{"payload": catalog.load_example(model)}] if published else [],
    }


def _section(operation: Schema, document: Schema) -> str:
    channel = document["channels"][_reference_name(operation["channel"])]
    verb = "Reads" if operation["action"] == "receive" else "Writes"
    shown = [
        document["components"]["messages"][_reference_name(message)] for message in operation["messages"]
    ]
    messages = "".join(
        _details(message["title"], message["payload"], message["summary"]) for message in shown
    )
    return f"<h2>{verb} <code>{html.escape(channel['address'])}</code></h2>{messages}"


def _reference_name(reference: Schema) -> str:
    return str(reference["$ref"].rpartition("/")[2])


def _schemas(document: Schema) -> Iterable[tuple[str, Schema, str]]:
    for name, schema in document["components"]["schemas"].items():
        yield name, schema, schema.get("description", "")


def _details(title: str, schema: Schema, summary: str) -> str:
    text = html.escape(json.dumps(schema, indent=2, ensure_ascii=False))
    head = f"<b>{html.escape(title)}</b> {html.escape(summary)}"
    return f"<details><summary>{head}</summary><pre>{text}</pre></details>"
