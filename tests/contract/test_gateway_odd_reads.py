"""Section E, reads: requests that HTTP allows and few clients send are answered as any other."""

import httpx
import pytest

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.contract_client import ContractClient
from tests.contract.gateway_client import GatewayClient
from tests.contract.web_client import OPS, parse_problem


@pytest.fixture(scope="module")
async def seat(stage_driver: StageDriver, client: ContractClient) -> SeatedUser:
    return await stage_driver.seat_user(await stage_driver.open_room(), await client.create_user())


async def send_raw(
    gateway: GatewayClient,
    target: str,
    user: str,
    *odd: tuple[bytes, bytes],
    method: str = "GET",
    **more: str,
) -> httpx.Response:
    """Send a request whose target and odd headers the client leaves as they are."""
    token = gateway.web.headers(user, scope=more.pop("scope", None))["Authorization"]
    headers = [(b"Authorization", token.encode()), *odd]
    extensions = {"target": target.encode()}
    return await gateway.http.request(method, "/", headers=headers, extensions=extensions, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [b"traceparent", b"tracestate", b"Content-Type"])
@pytest.mark.parametrize("value", [b"\xe9", b"a\x01b", b"\xc3\xa9\t;,="])
async def test_a_header_with_odd_bytes_changes_no_answer(
    gateway: GatewayClient, seat: SeatedUser, name: bytes, value: bytes
) -> None:
    room, odd = f"/v1/rooms/{seat.room}", (name, value)
    reads = (
        room,
        f"{room}/stage",
        f"{room}/users/{seat.user}/diagnosis",
        f"/v1/commands/{seat.acceptance.id}",
    )
    for path in reads:
        answer = await send_raw(gateway, path, seat.user, odd)
        assert answer.status_code == 200, (path, answer.text)
    head = await send_raw(gateway, f"{room}/stream", seat.user, odd, method="HEAD")
    assert head.status_code == 200
    report = await send_raw(
        gateway, f"{room}/stage/quality", seat.user, odd, method="POST", content='{"quality": "good"}'
    )
    assert report.status_code == 202, report.text


@pytest.mark.parametrize("query", ["x=a#b", "#", "x=%zz&y=%", "x=\"<>\\^`{|}'[]", "x&&=&;", "x=%00%ff"])
async def test_an_odd_query_is_ignored(gateway: GatewayClient, seat: SeatedUser, query: str) -> None:
    for path in ("/v1/rooms", f"/v1/rooms/{seat.room}", f"/v1/rooms/{seat.room}/stage"):
        answer = await send_raw(gateway, f"{path}?{query}", "ops", scope=OPS)
        assert answer.status_code == 200, (path, answer.text)


async def test_a_fragment_in_a_query_belongs_to_its_value(gateway: GatewayClient) -> None:
    answer = await send_raw(gateway, "/v1/rooms?status=any#", "ops", scope=OPS)
    assert parse_problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize("command_id", ["x" * 65, "/" * 30_000, "%2F" * 10_000, "%C3%A9" * 5_000])
async def test_a_command_id_that_is_too_long_is_not_found(gateway: GatewayClient, command_id: str) -> None:
    answer = await send_raw(gateway, f"/v1/commands/{command_id}", "alice")
    assert parse_problem(answer) == (404, "command_not_found")


async def test_a_query_that_is_too_long_is_refused(gateway: GatewayClient, seat: SeatedUser) -> None:
    room = f"/v1/rooms/{seat.room}"
    for path in (room, f"{room}/users/{seat.user}/diagnosis"):
        answer = await send_raw(gateway, f"{path}?x={'<' * 30_000}", seat.user)
        assert parse_problem(answer) == (422, "invalid_request"), path
