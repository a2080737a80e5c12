"""Section E, settings: commands per user and minute; and settings that stop the gateway at its start."""

import asyncio

import httpx
import pytest

from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import COMMANDS_PER_MINUTE
from tests.contract.contract_client import ContractClient, new_id, unique_id
from tests.contract.deployment import Deployment
from tests.contract.gateway_client import PLATFORM, GatewayClient
from tests.contract.service_processes import gateway_variables, run_gateway, run_until_exit
from tests.contract.web_client import WebClient, parse_problem

TOO_MANY = (429, "too_many_requests")
DEFAULT = 120


async def leave_often(gateway: GatewayClient, user: str, times: int) -> list[httpx.Response]:
    """Send commands that are refused: no room is known."""
    path = f"/v1/rooms/{unique_id('room')}/co-hosts/{user}"
    return await asyncio.gather(
        *(gateway.send("DELETE", path, user, prefer="respond-async") for _ in range(times))
    )


def assert_too_many(answer: httpx.Response) -> None:
    assert parse_problem(answer) == TOO_MANY, answer.text
    assert answer.headers["retry-after"].isdecimal()
    assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_a_user_has_so_many_commands_a_minute_whatever_the_answer(
    second_gateway: GatewayClient, gateway: GatewayClient, client: ContractClient
) -> None:
    user, other, room, key = unique_id("user"), unique_id("user"), await client.create_room(), new_id()
    answers = await leave_often(second_gateway, user, COMMANDS_PER_MINUTE - 3)
    for path, body, status in (
        (f"/v1/rooms/{room}/invitations", {"userId": "bob"}, 403),
        (f"/v1/rooms/{room}/invitations", {"userId": "no id!"}, 422),
        (f"/v1/rooms/{room}/invitations/i-1/accept", None, 404),
    ):
        assert (await second_gateway.post(path, user, body)).status_code == status
    assert {answer.status_code for answer in answers} <= {202, 404}
    for path in ("invitations/i-1/accept", "invitations", "co-hosts/bob/mute"):
        answer = await second_gateway.post(f"/v1/rooms/{room}/{path}", user, {}, idempotency_key=key)
        assert_too_many(answer)
    await client.wait_until_decided(room)
    assert client.log.by_id[key] == []
    # Another user, and another copy, count for themselves; reads and the platform's facts do not count.
    assert [answer.status_code for answer in await leave_often(second_gateway, other, 1)] == [202]
    assert [answer.status_code for answer in await leave_often(gateway, user, 1)] == [202]
    assert (await second_gateway.get(f"/v1/rooms/{room}", user)).status_code == 200
    fact = await second_gateway.send(
        "PUT", f"/v1/users/{unique_id('user')}", user, {"status": "active"}, scope=PLATFORM
    )
    assert fact.status_code == 202


async def test_facts_and_quality_do_not_count(
    second_gateway: GatewayClient, stage_driver: StageDriver
) -> None:
    room, user = await stage_driver.open_room(), unique_id("user")
    path = f"/v1/rooms/{room}/stage/quality"
    for _ in range(COMMANDS_PER_MINUTE + 5):
        fact = await second_gateway.send(
            "PUT", f"/v1/users/{user}", room.host, {"status": "active"}, scope=PLATFORM
        )
        quality = await second_gateway.post(path, room.host, {"quality": "good"})
        assert (fact.status_code, quality.status_code) == (202, 202)
    assert [answer.status_code for answer in await leave_often(second_gateway, room.host, 1)] == [202]


async def test_reads_do_not_count(second_gateway: GatewayClient) -> None:
    user = unique_id("user")
    for _ in range(COMMANDS_PER_MINUTE + 5):
        await second_gateway.get_json(f"/v1/users/{user}/invitations", user)
    assert [answer.status_code for answer in await leave_often(second_gateway, user, 1)] == [202]


async def test_the_default_is_120(gateway: GatewayClient, deployment: Deployment) -> None:
    if "COHOST_COMMANDS_PER_MINUTE" in deployment.variables:
        pytest.skip("this deployment has another limit")
    user = unique_id("user")
    answers = await leave_often(gateway, user, DEFAULT)
    assert TOO_MANY[0] not in {answer.status_code for answer in answers}
    [one_more] = await leave_often(gateway, user, 1)
    assert_too_many(one_more)


async def test_zero_is_no_limit(deployment: Deployment, web: WebClient) -> None:
    async with (
        run_gateway(deployment, COHOST_COMMANDS_PER_MINUTE="0") as there,
        GatewayClient(web, there.gateway_url) as gateway,
    ):
        answers = await leave_often(gateway, unique_id("user"), DEFAULT + 10)
    assert TOO_MANY[0] not in {answer.status_code for answer in answers}


SETTINGS = [
    ("COHOST_INVITATIONS_URL", None),
    ("COHOST_BROADCAST_URL", None),
    ("COHOST_INVITATIONS_URL", "localhost"),
    ("COHOST_BROADCAST_URL", "ftp://localhost"),
    ("COHOST_JWT_SECRET", None),
    ("COHOST_COMMANDS_PER_MINUTE", "-1"),
    ("COHOST_COMMANDS_PER_MINUTE", "many"),
    ("COHOST_CORS_ORIGINS", "app.example.com"),
    ("COHOST_PARTITIONS", "a dozen"),
    ("COHOST_HTTP_PORT", "65536"),
    ("COHOST_KAFKA_BOOTSTRAP_SERVERS", "no server"),
]


async def test_a_missing_or_wrong_setting_is_named(deployment: Deployment) -> None:
    async def refusal(name: str, value: str | None) -> tuple[int, bool]:
        variables = {key: text for key, text in gateway_variables(deployment).items() if key != name}
        given = variables if value is None else {**variables, name: value}
        status, line = await run_until_exit("gateway", given)
        return status, name in line

    found = await asyncio.gather(*(refusal(*setting) for setting in SETTINGS))
    assert dict(zip(SETTINGS, found, strict=True)) == dict.fromkeys(SETTINGS, (2, True))


async def test_the_gateway_needs_neither_a_database_nor_livekit(
    deployment: Deployment, web: WebClient
) -> None:
    needless = (
        "COHOST_DATABASE_URL",
        "COHOST_LIVEKIT_URL",
        "COHOST_LIVEKIT_API_KEY",
        "COHOST_LIVEKIT_API_SECRET",
    )
    nothing = dict.fromkeys(needless, "")
    async with (
        run_gateway(deployment, **nothing) as there,
        GatewayClient(web, there.gateway_url) as gateway,
    ):
        user = unique_id("user")
        assert await gateway.get_json(f"/v1/users/{user}/invitations", user) == {
            "items": [],
            "nextCursor": None,
        }
