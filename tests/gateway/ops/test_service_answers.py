"""What the gateway makes of a service's answer: another version's, or a proxy's, is none."""

import httpx
import pytest
from fastapi import Request

from cohost_schemas.ops.state import LaneStates
from services.gateway.ops.state.service_answers import ask_service
from services.gateway.services import ServiceProxy

REQUEST = Request({"type": "http", "headers": [(b"authorization", b"Bearer token")]})


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (
            200,
            b'{"items": [], "unavailable": ["kafka"], "new": 1}',
            LaneStates(items=(), unavailable=("kafka",)),
        ),
        (200, b'{"items": [{"lane": 1}]}', None),
        (200, b"<html>", None),
        (404, b'{"reason": "not_found"}', None),
        (502, b"<html>", None),
    ],
)
async def test_only_an_understood_answer_counts(
    status: int, content: bytes, expected: LaneStates | None
) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, content=content)

    service = ServiceProxy("broadcast", "http://broadcast", httpx.MockTransport(answer))
    assert await ask_service(service, REQUEST, "lanes", LaneStates, "limit=1") == expected
    [request] = asked
    assert str(request.url) == "http://broadcast/v1/ops/lanes?limit=1"
    assert request.headers["authorization"] == "Bearer token"
    await service.close()


async def test_an_answer_that_cannot_be_unpacked_is_none() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"{}", headers={"Content-Encoding": "gzip"})

    service = ServiceProxy("broadcast", "http://broadcast", httpx.MockTransport(answer))
    assert await ask_service(service, REQUEST, "lanes", LaneStates) is None
    await service.close()
