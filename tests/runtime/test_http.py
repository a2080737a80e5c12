"""Answers common to both services: identity first, problems for errors, and the operators' pages."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import APIRouter

from cohost_schemas.types import ID_PATTERN
from tests.runtime import example_service
from tests.runtime.example_service import bearer_headers

EXAMPLE = "/v1/rooms/room-1/example"


@pytest.fixture
async def client(pool: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    application = example_service.example_application(
        pool, example_service.FakePipeline(), example_service.example_settings()
    )
    async with open_client(application) as client:
        yield client


def open_client(application: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url="http://example")


def problem_body(status: int, title: str, reason: str, detail: str | None = None) -> dict[str, Any]:
    said = {"type": "about:blank", "title": title, "status": status, "reason": reason}
    return said | ({"detail": detail} if detail else {})


def assert_problem(answer: httpx.Response, expected: dict[str, Any]) -> None:
    assert answer.json() == expected
    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_caller_is_answered(client: httpx.AsyncClient) -> None:
    answer = await client.get(EXAMPLE, headers=bearer_headers("alice", scope="cohost:ops"))
    assert answer.json() == {"items": ["room-1", "alice", "True", "50"], "nextCursor": None}


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}])
async def test_requests_without_a_token_are_refused(
    client: httpx.AsyncClient, header: dict[str, str]
) -> None:
    answer = await client.get(EXAMPLE, headers=header)
    assert_problem(answer, problem_body(401, "Unauthorized", "unauthorized", "A bearer token is required."))
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path",
    [
        EXAMPLE,
        "/v1/rooms/a%20b/example",
        f"{EXAMPLE}?limit=0",
        f"{EXAMPLE}?cursor=",
        "/v1/mine",
        "/v1/stored",
        "/v1/broken",
        "/v1/commands/x",
        f"/v1/commands/{'x' * 65}",
    ],
)
async def test_identity_comes_before_everything(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401
    assert (
        await client.get(path, headers=bearer_headers(secret=example_service.SECRET[::-1]))
    ).status_code == 401


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=ten", "limit=", f"cursor={'x' * 1025}"])
async def test_a_wrong_query_is_an_invalid_request(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{EXAMPLE}?{query}", headers=bearer_headers())
    detail = answer.json()["detail"]
    assert detail.startswith(f"{query.split('=', maxsplit=1)[0]}: ")
    assert_problem(answer, problem_body(422, "Unprocessable Entity", "invalid_request", detail))


@pytest.mark.parametrize("room_id", ["a%20b", "%00", "%FF", "%ED%A0%80", "x" * 65, "a%0A", "ä"])
async def test_an_id_that_breaks_the_rule_is_an_invalid_request(
    client: httpx.AsyncClient, room_id: str
) -> None:
    answer = await client.get(f"/v1/rooms/{room_id}/example", headers=bearer_headers())
    detail = f"roomId: String should match pattern '{ID_PATTERN}'"
    assert_problem(answer, problem_body(422, "Unprocessable Entity", "invalid_request", detail))


async def test_a_problem_of_a_route_is_the_answer(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/mine", headers=bearer_headers())
    assert_problem(answer, problem_body(403, "Forbidden", "forbidden", "It is somebody else's."))


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/docs", "/redoc", f"{EXAMPLE}/", "/v1/rooms/a%2Fb/example"]
)
async def test_an_unknown_path_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert_problem(
        await client.get(path, headers=bearer_headers()), problem_body(404, "Not Found", "not_found")
    )


async def test_another_method_is_not_allowed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/healthz")
    assert_problem(answer, problem_body(405, "Method Not Allowed", "method_not_allowed"))
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/healthz", "/metrics", "/openapi.json", "/asyncapi", "/asyncapi.json", EXAMPLE, "/v1/mine"]
)
async def test_every_get_route_answers_head(client: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, bearer_headers()):
        get, head = await client.get(path, headers=headers), await client.head(path, headers=headers)
        assert (head.status_code, head.content) == (get.status_code, b"")
        if path != "/metrics":  # its numbers, and so its length, change with each request
            assert head.headers == get.headers


async def test_head_of_a_route_without_get_is_not_allowed(pool: asyncpg.Pool) -> None:
    routes = APIRouter()

    @routes.post("/posted")
    async def posted() -> None:
        pass

    application = example_service.example_application(
        pool, example_service.FakePipeline(), example_service.example_settings(), public_routers=[routes]
    )
    async with open_client(application) as client:
        answer = await client.head("/posted")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_the_answer_is_unavailable_while_the_database_is_down(client: httpx.AsyncClient) -> None:
    detail = "A dependency of this service is unavailable; try again."
    for path in ("/v1/stored", "/v1/commands/c-1"):
        answer = await client.get(path, headers=bearer_headers())
        assert_problem(answer, problem_body(503, "Service Unavailable", "unavailable", detail))


async def test_an_internal_error_shows_no_detail(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/broken", headers=bearer_headers())
    detail = "The service failed; its log says why."
    assert_problem(answer, problem_body(500, "Internal Server Error", "internal_error", detail))


@pytest.mark.parametrize("identifier", ["x" * 65, "%00", ""])
async def test_a_command_that_cannot_exist_is_not_found(client: httpx.AsyncClient, identifier: str) -> None:
    answer = await client.get(f"/v1/commands/{identifier}", headers=bearer_headers())
    detail = "No outcome is known for this command id."
    assert_problem(answer, problem_body(404, "Not Found", "command_not_found", detail))


async def test_liveness_needs_no_token(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}


async def test_the_service_is_not_ready_without_kafka_and_the_database(pool: asyncpg.Pool) -> None:
    chosen = example_service.example_settings(kafka_bootstrap_servers="127.0.0.1:1")
    async with open_client(
        example_service.example_application(pool, example_service.FakePipeline(), chosen)
    ) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "parts": {"lanes": True, "facts": True, "kafka": False, "database": False},
    }


async def test_a_service_may_add_a_part_to_readiness(pool: asyncpg.Pool) -> None:
    async def hanging() -> bool:
        await asyncio.Event().wait()
        return True

    async def there() -> bool:
        return True

    chosen = example_service.example_settings(kafka_bootstrap_servers="127.0.0.1:1")

    async def refused() -> str:
        return "unauthorized"

    checks = {"livekit": there, "hanging": hanging, "refused": refused}
    async with open_client(
        example_service.example_application(
            pool, example_service.FakePipeline(ready=False), chosen, checks=checks
        )
    ) as client:
        parts = (await client.get("/readyz")).json()["parts"]
    own = {"livekit": True, "hanging": False, "refused": "unauthorized"}
    assert parts == {"lanes": False, "facts": True, "kafka": False, "database": False, **own}


async def test_metrics_are_in_prometheus_form(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "process_cpu_seconds_total " in answer.text


async def test_a_scrape_says_which_parts_are_ready_without_waiting_for_them(pool: asyncpg.Pool) -> None:
    is_released = asyncio.Event()

    async def slow() -> str:
        await is_released.wait()
        return "unauthorized"

    application = example_service.example_application(
        pool,
        example_service.FakePipeline(ready=False),
        example_service.example_settings(),
        checks={"own": slow},
    )
    async with open_client(application) as client:
        assert await read_parts(client) == {"lanes": "0.0", "facts": "1.0"}
        is_released.set()
        await client.get("/readyz")
        assert (await read_parts(client))["own"] == "0.0"


async def read_parts(client: httpx.AsyncClient) -> dict[str, str]:
    return dict(re.findall(r'cohost_ready\{part="(.*?)"\} (.*)', (await client.get("/metrics")).text))


async def test_requests_are_counted_by_route_and_status(client: httpx.AsyncClient) -> None:
    for path in (EXAMPLE, "/v1/rooms/room-2/example", "/v1/broken", "/nowhere"):
        await client.get(path, headers=bearer_headers())
    await client.request("ODD", "/nowhere")
    text = (await client.get("/metrics")).text
    counted = dict(re.findall(r"cohost_http_seconds_count\{(.*?)\} (.*)", text))
    assert counted == {
        'method="GET",route="/v1/rooms/{roomId}/example",status="200"': "2.0",
        'method="GET",route="/v1/broken",status="500"': "1.0",
        'method="GET",route="-",status="404"': "1.0",
        'method="other",route="-",status="404"': "1.0",
        # An alert is about the increase of this one.
        'method="GET",route="-",status="503"': "0.0",
    }


async def test_open_api_describes_bearer_tokens_and_problems(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/rooms/{roomId}/example"]["get"]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert sorted(operation["responses"]) == ["200", "401", "422", "503"]
    assert operation["responses"]["422"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    }
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert [name for name in document["components"]["schemas"] if "Validation" in name] == []
    assert "/v1/commands/{commandId}" in document["paths"]


async def test_open_api_promises_every_field_of_an_answer(client: httpx.AsyncClient) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    outcome = [
        "commandId",
        "commandType",
        "outcome",
        "decidedAt",
        "roomId",
        "invitationId",
        "actorId",
        "events",
        "reason",
        "message",
    ]
    assert schemas["CommandOutcome"]["required"] == outcome
    assert schemas["DetailedOutcome"]["required"] == [*outcome, "detail"]
