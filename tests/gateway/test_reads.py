"""What of a read reaches the services, and what of their answers reaches the caller."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import FastAPI, Request

from services.gateway.http.reads import create_read_router
from services.gateway.services import ServiceProxy
from services.runtime.http import problems
from services.runtime.http.problems import HttpProblem

Answer = Callable[[httpx.Request], httpx.Response]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_FOUND = {"status": 404, "reason": "command_not_found"}


@dataclass
class FakeService:
    """A service that records requests, and answers them with `answer`."""

    answer: Answer = lambda _: httpx.Response(200, json={"items": [], "nextCursor": None})
    requests: list[httpx.Request] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    def proxy(self, name: str) -> ServiceProxy:
        return ServiceProxy(name, f"http://{name}", httpx.MockTransport(self.handle))


@dataclass
class ReadHarness:
    """The routes, and the two services behind them."""

    web: httpx.AsyncClient
    invitations: FakeService
    broadcast: FakeService


@pytest.fixture
async def harness() -> AsyncIterator[ReadHarness]:
    invitations, broadcast = FakeService(), FakeService()
    application = FastAPI()
    problems.install_handlers(application)
    application.include_router(
        create_read_router(invitations.proxy("invitations"), broadcast.proxy("broadcast"))
    )
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as web:
        yield ReadHarness(web, invitations, broadcast)


def answer_with(status: int, body: object = None, **headers: str) -> Answer:
    return lambda _: httpx.Response(status, json=body, headers=headers)


def fail(status: int) -> Answer:
    """Answer as a service does that has lost its database."""
    return answer_with(status, {"status": status}, **{"Content-Type": problems.MEDIA_TYPE})


def raise_error(_: httpx.Request) -> httpx.Response:
    msg = "refused"
    raise httpx.ConnectError(msg)


@pytest.mark.parametrize(
    ("path", "forwarded", "service"),
    [
        ("/v1/rooms?status=any&limit=2", "/v1/rooms?status=any&limit=2", "invitations"),
        ("/v1/rooms/a@b:c", "/v1/rooms/a%40b%3Ac", "invitations"),
        ("/v1/rooms/r/invitations?cursor=x", "/v1/rooms/r/invitations?cursor=x", "invitations"),
        ("/v1/rooms/r/co-hosts", "/v1/rooms/r/co-hosts", "invitations"),
        ("/v1/rooms/r/hosts", "/v1/rooms/r/hosts", "invitations"),
        ("/v1/users/bob/invitations?roomId=r", "/v1/users/bob/invitations?roomId=r", "invitations"),
        ("/v1/invitations/i", "/v1/invitations/i", "invitations"),
        ("/v1/rooms/r/broadcast-data?as=viewer", "/v1/rooms/r/broadcast-data?as=viewer", "broadcast"),
        ("/v1/rooms/r/stage", "/v1/rooms/r/stage", "broadcast"),
    ],
)
async def test_a_read_is_forwarded_to_its_service(
    harness: ReadHarness,
    path: str,
    forwarded: str,
    service: str,
) -> None:
    assert (await harness.web.get(path)).status_code == 200
    asked, other = (
        (harness.invitations, harness.broadcast)
        if service == "invitations"
        else (harness.broadcast, harness.invitations)
    )
    assert [request.url.raw_path.decode() for request in asked.requests] == [forwarded]
    assert not other.requests


async def test_only_token_and_trace_are_forwarded(harness: ReadHarness) -> None:
    sent = {
        "Authorization": "Bearer x",
        "traceparent": TRACE,
        "tracestate": "a=1",
        "Content-Type": "text/plain",
        "Cookie": "a=b",
        "X-Forwarded-For": "1.2.3.4",
        "Host": "elsewhere",
        "X-Original-URI": "/livekit/admit",
    }
    await harness.web.get("/v1/rooms/r", headers=sent)
    [request] = harness.invitations.requests
    assert request.headers["authorization"] == "Bearer x"
    assert (request.headers["traceparent"], request.headers["tracestate"]) == (TRACE, "a=1")
    assert request.headers["host"] == "invitations"
    assert not {"cookie", "x-forwarded-for", "x-original-uri", "content-type"} & set(request.headers)


@pytest.mark.parametrize("value", [b"\xff", b"\x01", b"00-1-2-01"])
@pytest.mark.parametrize("name", ["traceparent", "tracestate", "content-type"])
async def test_headers_that_mean_nothing_to_a_service_are_left_out(
    harness: ReadHarness, name: str, value: bytes
) -> None:
    sent = [(name.encode(), value), (b"authorization", b"Bearer x")]
    assert (await harness.web.get("/v1/rooms/r", headers=sent)).status_code == 200
    [request] = harness.invitations.requests
    assert name not in request.headers


async def test_a_hash_in_a_query_is_part_of_it() -> None:
    service = FakeService()
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": b"cursor=a#b"}
    await service.proxy("invitations").send(Request(scope), "v1", "rooms")
    assert [request.url.raw_path for request in service.requests] == [b"/v1/rooms?cursor=a%23b"]


@pytest.mark.parametrize(("path", "query"), [('"' * 30_000, b""), ("r", b'x="' + b'"' * 30_000)])
async def test_a_url_that_is_too_long_when_quoted_is_refused(path: str, query: bytes) -> None:
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": query}
    with pytest.raises(HttpProblem) as refused:
        await FakeService().proxy("invitations").send(Request(scope), "v1", "commands", path)
    assert (refused.value.status, refused.value.reason) == (422, "invalid_request")


async def test_an_answer_is_returned_with_its_status_body_and_few_headers(
    harness: ReadHarness,
) -> None:
    problem = {"status": 409, "reason": "room_not_live"}
    headers = {"Cache-Control": "no-store", "Set-Cookie": "a=b", "Retry-After": "3", "Server": "x"}
    harness.broadcast.answer = answer_with(409, problem, **headers)
    answer = await harness.web.get("/v1/rooms/r/broadcast-data")
    assert (answer.status_code, answer.json()) == (409, problem)
    assert (answer.headers["cache-control"], answer.headers["retry-after"]) == ("no-store", "3")
    assert not {"set-cookie", "server"} & set(answer.headers)


@pytest.mark.parametrize("answer_of_service", [raise_error, answer_with(502, "<html>"), answer_with(503)])
@pytest.mark.parametrize("path", ["/v1/rooms/r", "/v1/rooms/r/stage"])
async def test_a_service_that_is_away_is_named(
    harness: ReadHarness, path: str, answer_of_service: Answer
) -> None:
    harness.invitations.answer = harness.broadcast.answer = answer_of_service
    answer = await harness.web.get(path)
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
    assert ("broadcast" if path.endswith("stage") else "invitations") in answer.json()["detail"]


@pytest.mark.parametrize(
    ("of_invitations", "of_broadcast", "expected"),
    [
        (answer_with(200, {"n": 1}), answer_with(200, {"n": 2}), (200, {"n": 1})),
        (answer_with(404, NOT_FOUND), answer_with(200, {"n": 2}), (200, {"n": 2})),
        (answer_with(404, NOT_FOUND), answer_with(404, NOT_FOUND), (404, NOT_FOUND)),
        (answer_with(403, {"n": 3}), answer_with(404, NOT_FOUND), (403, {"n": 3})),
        (answer_with(404, NOT_FOUND), answer_with(403, {"n": 4}), (403, {"n": 4})),
        (answer_with(403, {"n": 3}), answer_with(200, {"n": 2}), (200, {"n": 2})),
        (raise_error, answer_with(200, {"n": 2}), (200, {"n": 2})),
        (raise_error, answer_with(404, NOT_FOUND), (503, None)),
        (answer_with(404, NOT_FOUND), raise_error, (503, None)),
        (answer_with(403, {"n": 3}), raise_error, (403, {"n": 3})),
        (fail(503), answer_with(200, {"n": 2}), (200, {"n": 2})),
        (fail(503), answer_with(404, NOT_FOUND), (503, None)),
        (answer_with(404, NOT_FOUND), fail(500), (500, None)),
    ],
)
async def test_a_command_is_looked_up_at_both_services(
    harness: ReadHarness,
    of_invitations: Answer,
    of_broadcast: Answer,
    expected: tuple[int, object],
) -> None:
    harness.invitations.answer, harness.broadcast.answer = of_invitations, of_broadcast
    answer = await harness.web.get("/v1/commands/a%2Fb%3F..")
    assert answer.status_code == expected[0]
    if expected[1] is not None:
        assert json.loads(answer.content) == expected[1]
    assert harness.invitations.requests[0].url.raw_path == b"/v1/commands/a%2Fb%3F.."
