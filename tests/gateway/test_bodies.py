"""Bodies of commands and facts: what is read, and what is refused before it costs much."""

import json
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from cohost_schemas import commands
from services.gateway.http import message_bodies
from services.runtime.http import bodies, problems
from services.runtime.http.problems import HttpProblem

IDS = {"roomId": "room", "actorId": "alice"}
MIB = 1024 * 1024


@pytest.fixture
async def web() -> AsyncIterator[httpx.AsyncClient]:
    """An application that answers with the fields of a body."""
    application = FastAPI()
    problems.install_handlers(application)

    @application.post("/")
    async def read(request: Request) -> list[str]:
        return sorted(await bodies.read_fields(request))

    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as web:
        yield web


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", []),
        (b"{}", []),
        (b'{"a": null}', []),
        (b' {"a": 1, "a": 2, "b": []} ', ["a", "b"]),
        (b'{"a": "\\ud800"}', ["a"]),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", ["a"]),
        (b'{"a":"' + b"x" * (MIB - 8) + b'"}', ["a"]),
    ],
)
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"]
)
async def test_an_object_is_read_whatever_its_content_type(
    web: httpx.AsyncClient, body: bytes, fields: list[str], content_type: str
) -> None:
    answer = await web.post("/", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()) == (200, fields)


@pytest.mark.parametrize(
    "body",
    [
        *(b" ", b"null", b"[]", b'"a"', b"1", b"{", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1} {}'),
        *(b"\xff", b'{"a": "\xff"}', b"\xef\xbb\xbf{}", '{"a": "é"}'.encode("latin-1")),
        *(b"[" * 100_000, b'{"a":' * 100_000, b'{"a":[' + b"{}," * 340_000 + b"{}]}"),
    ],
    ids=repr,
)
async def test_what_is_no_object_is_refused_at_once(web: httpx.AsyncClient, body: bytes) -> None:
    # Of this process: a busy machine takes longer by the clock.
    started_at = time.process_time()
    answer = await web.post("/", content=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")
    assert time.process_time() - started_at < 2


def chunks(count: int, sent: list[int]) -> Iterable[bytes]:
    for number in range(count):
        sent.append(number)
        yield b" " * 64 * 1024


async def test_a_large_body_is_not_read_to_its_end(web: httpx.AsyncClient) -> None:
    sent: list[int] = []

    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks(1000, sent):
            yield chunk

    for content, headers in (
        (stream(), {}),
        (b"{}", {"Content-Length": str(MIB + 1)}),
        (b"{" + b" " * MIB + b"}", {}),
    ):
        answer = await web.post("/", content=content, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({}, "userId"),
        ({"userId": "bob", "hard": True}, "not known"),
        ({"userId": "bob", "user_id": "bob"}, "not known"),
        ({"userId": "bob", "roomId": "room"}, "not known"),
        ({"userId": "bob", "actorId": "alice"}, "not known"),
        ({"userId": "."}, "userId"),
        ({"userId": "bob\x00"}, "userId"),
        ({"userId": 7}, "userId"),
        ({"userId": "bob", "expiresInSeconds": 9}, "expiresInSeconds"),
        ({"userId": "bob", "expiresInSeconds": 600.5}, "expiresInSeconds"),
        ({"userId": "bob", "expiresInSeconds": "600"}, "expiresInSeconds"),
        ({"userId": "bob", "expiresInSeconds": True}, "expiresInSeconds"),
        ({"userId": "bob", "message": "x" * 281}, "message"),
        ({"userId": "bob", "message": "\x00"}, "message"),
        ({"userId": "bob", "label": ""}, "label"),
        ({"userId": "bob", "label": "\ud800"}, "label"),
        ({f"field-{number}": number for number in range(100_000)}, "not known"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_field_that_breaks_the_command_is_named(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(HttpProblem) as raised:
        message_bodies.build_command(commands.SendInvitation, IDS, fields)
    assert (raised.value.status, raised.value.reason) == (422, "invalid_request")
    assert where in str(raised.value.detail)
    assert len(str(raised.value.detail)) < 300


def test_a_command_is_built_from_path_and_body() -> None:
    fields = json.loads('{"userId": "bob", "expiresInSeconds": 6e2, "label": "é"}')
    assert message_bodies.build_command(commands.SendInvitation, IDS, fields) == commands.SendInvitation(
        room_id="room", actor_id="alice", user_id="bob", expires_in_seconds=600, label="é"
    )


@pytest.mark.parametrize("user_ids", [[], ["a"] * 2, ["a/b"], "ab", [f"u{n}" for n in range(101)], [["a"]]])
def test_an_order_that_is_none_is_refused(user_ids: Any) -> None:
    with pytest.raises(HttpProblem, match="422"):
        message_bodies.build_command(commands.ArrangeStage, IDS, {"userIds": user_ids})


def test_the_documented_body_has_the_fields_of_the_body_alone() -> None:
    body = message_bodies.document_body(commands.SendInvitation, IDS)
    assert body["required"] is True
    schema = body["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"userId", "expiresInSeconds", "message", "label"}
    assert schema["required"] == ["userId"]
    assert schema["additionalProperties"] is False
