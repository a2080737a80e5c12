"""The AsyncAPI document describes the real topics and payloads; its page loads no external resource."""

import re
from typing import Any

from cohost_schemas.commands import AcceptInvitation
from cohost_schemas.export import catalog, json_schema
from services.runtime import asyncapi
from tests.runtime.example_service import LAYOUT

DOCUMENT = asyncapi.build_document("Example", "1", LAYOUT, "stage.", 4)


def collect_references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in collect_references(value)]
    return [found for value in part for found in collect_references(value)] if isinstance(part, list) else []


def resolve_reference(reference: str) -> Any:
    part: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def test_every_topic_that_is_read_or_written_is_a_channel() -> None:
    assert {name: channel["address"] for name, channel in DOCUMENT["channels"].items()} == {
        "rooms": "stage.rooms",
        "invitations.commands": "stage.invitations.commands",
        "invitations.events": "stage.invitations.events",
        "invitations.rejections": "stage.invitations.rejections",
        "invitations.dead-letters": "stage.invitations.dead-letters",
    }
    assert list(DOCUMENT["operations"]) == [
        "receive.rooms",
        "receive.invitations.commands",
        "send.invitations.events",
        "send.invitations.rejections",
        "send.invitations.dead-letters",
        "send.invitations.commands",
    ]


def test_every_message_of_a_topic_is_listed() -> None:
    assert {name: list(channel["messages"]) for name, channel in DOCUMENT["channels"].items()} == {
        "rooms": ["RoomChanged", "Tombstone"],
        "invitations.commands": [model.__name__ for model in LAYOUT.inputs[1].models],
        "invitations.events": [model.__name__ for model in catalog.MODELS_BY_TOPIC[LAYOUT.outputs[0]]],
        "invitations.rejections": ["CommandRejected"],
        "invitations.dead-letters": ["DeadLetter"],
    }


def test_the_commands_a_service_sends_are_listed() -> None:
    channel = "#/channels/invitations.commands"
    assert DOCUMENT["operations"]["send.invitations.commands"] == {
        "action": "send",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in ("ExpireInvitation", "ExcludeUser")],
    }


def test_a_payload_is_a_cloud_event_with_typed_data() -> None:
    message = DOCUMENT["components"]["messages"]["AcceptInvitation"]
    assert message["payload"]["properties"]["data"] == {
        "anyOf": [{"$ref": "#/components/schemas/AcceptInvitation"}, {"type": "null"}]
    }
    expected = json_schema.model_definitions([AcceptInvitation])["AcceptInvitation"]
    assert DOCUMENT["components"]["schemas"]["AcceptInvitation"] == expected
    assert message["examples"] == [{"payload": catalog.load_example(AcceptInvitation)}]


def test_every_reference_resolves() -> None:
    found = collect_references(DOCUMENT)
    assert found
    assert all(resolve_reference(reference) for reference in found)


def test_the_topics_settings_are_listed() -> None:
    assert DOCUMENT["channels"]["invitations.commands"]["bindings"]["kafka"] == {
        "topic": "stage.invitations.commands",
        "partitions": 4,
        "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": 604_800_000},
        "bindingVersion": "0.5.0",
    }


def test_the_page_shows_every_topic_and_loads_nothing() -> None:
    page = asyncapi.render_page(DOCUMENT)
    for channel in DOCUMENT["channels"].values():
        assert channel["address"] in page
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["asyncapi.json"]


def test_the_page_escapes_its_content() -> None:
    page = asyncapi.render_page(asyncapi.build_document("<b>&", "1", LAYOUT, "stage.", 4))
    assert "<title>&lt;b&gt;&amp;</title>" in page
