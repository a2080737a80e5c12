"""Section E, settings: browsers of the given origins may call, others may not."""

import httpx
import pytest

from tests.contract.conftest import ORIGINS
from tests.contract.contract_client import ContractClient, unique_id
from tests.contract.event_stream import STREAM_TIMEOUT
from tests.contract.gateway_client import PLATFORM, GatewayClient

HEADERS = ["authorization", "content-type", "idempotency-key", "last-event-id", "prefer"]
REQUESTS = [
    ("GET", "/v1/rooms/room"),
    ("GET", "/v1/rooms/room/stream"),
    ("POST", "/v1/rooms/room/invitations"),
    ("POST", "/v1/rooms/room/stage/quality"),
    ("PUT", "/v1/rooms/room/co-hosts/order"),
    ("PUT", "/v1/users/user"),
    ("DELETE", "/v1/rooms/room/co-hosts/bob"),
]


def words(answer: httpx.Response, name: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers.get(name, "").split(",") if word.strip()}


async def ask_before(
    gateway: GatewayClient, origin: str, method: str, path: str, *headers: str
) -> httpx.Response:
    """Send a browser's preflight request."""
    found = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        found["Access-Control-Request-Headers"] = ",".join(headers)
    return await gateway.http.request("OPTIONS", path, headers=found)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(("method", "path"), REQUESTS)
async def test_a_given_origin_may_send_every_request(
    second_gateway: GatewayClient, origin: str, method: str, path: str
) -> None:
    answer = await ask_before(second_gateway, origin, method, path, *HEADERS)
    assert answer.status_code in (200, 204), answer.text
    assert answer.headers["access-control-allow-origin"] == origin
    assert method.lower() in words(answer, "access-control-allow-methods")
    assert set(HEADERS) <= words(answer, "access-control-allow-headers")
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", "https://app.example.com.evil.com", "http://app.example.com", "null"],
)
async def test_another_origin_may_not(second_gateway: GatewayClient, origin: str) -> None:
    asked = await ask_before(second_gateway, origin, "GET", "/v1/rooms/room")
    answer = await second_gateway.get("/v1/rooms/room", "alice", origin=origin)
    for found in (asked, answer):
        assert found.headers.get("access-control-allow-origin") is None


async def test_every_answer_is_readable_for_a_given_origin(
    second_gateway: GatewayClient, client: ContractClient
) -> None:
    origin = ORIGINS[0]
    room, user, user_id = await client.create_room(), await client.create_user(), unique_id("user")
    path = f"/v1/rooms/{room}"
    answers = [
        await second_gateway.get(path, "alice", origin=origin),
        await second_gateway.get(path, None, origin=origin),
        await second_gateway.get(f"{path}/invitations", "alice", origin=origin),
        await second_gateway.get("/v1/nowhere", "alice", origin=origin),
        await second_gateway.invite(room.id, room.host, user, origin=origin),
        await second_gateway.invite(room.id, room.host, user, origin=origin),
        await second_gateway.invite(room.id, room.host, "no id!", origin=origin),
        await second_gateway.invite(room.id, room.host, user, origin=origin, prefer="respond-async"),
        await second_gateway.post(f"{path}/invitations", room.host, content=1_100_000 * b" ", origin=origin),
        await second_gateway.send(
            "PUT", f"/v1/users/{user_id}", "x", {"status": "active"}, scope=PLATFORM, origin=origin
        ),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 403, 404, 201, 409, 422, 202, 413, 202]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin, answer.text
        assert {"location", "retry-after"} <= words(answer, "access-control-expose-headers")
        assert "access-control-allow-credentials" not in answer.headers
        assert "origin" in words(answer, "vary")


async def test_a_stream_is_readable_for_a_given_origin(
    second_gateway: GatewayClient, client: ContractClient
) -> None:
    room = await client.create_room()
    headers = {**second_gateway.web.headers("alice"), "Origin": ORIGINS[1]}
    path = f"/v1/rooms/{room}/stream"
    async with second_gateway.http.stream("GET", path, headers=headers, timeout=STREAM_TIMEOUT) as answer:
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == ORIGINS[1]


async def test_without_origins_no_browser_may_call(gateway: GatewayClient) -> None:
    for method, path in REQUESTS:
        asked = await ask_before(gateway, ORIGINS[0], method, path, *HEADERS)
        assert asked.headers.get("access-control-allow-origin") is None
    answer = await gateway.get("/v1/rooms/room", "alice", origin=ORIGINS[0])
    assert answer.headers.get("access-control-allow-origin") is None
