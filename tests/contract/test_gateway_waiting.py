"""Section E, answers: `Prefer`, commands that are undecided in time, and Kafka that is away."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest

from tests.contract.contract_client import ContractClient, Room, new_id, open_contract_client, unique_id
from tests.contract.deployment import Deployment
from tests.contract.gateway_client import (
    PLATFORM,
    GatewayClient,
    accepted_outcome,
    assert_pending,
    assert_refused,
)
from tests.contract.polling import TooLate, in_time, retry_when_late, wait_until
from tests.contract.service_processes import RunningService, free_port, run_gateway, run_service
from tests.contract.web_client import WebClient, parse_problem

LATE_SECONDS = 3.0


@pytest.mark.parametrize(
    "prefer", ["respond-async", "Respond-Async", "respond-async; foo", "handling=lenient, respond-async"]
)
async def test_an_asynchronous_answer_leads_to_the_outcome(
    gateway: GatewayClient, client: ContractClient, prefer: str
) -> None:
    room, user = await client.create_room(), await client.create_user()
    answer = await gateway.invite(room.id, room.host, user, prefer=prefer)
    command_id = assert_pending(answer)
    found = await wait_for_command(gateway, answer.headers["location"], room.host)
    assert (found["commandId"], found["outcome"], found["actorId"]) == (command_id, "accepted", room.host)
    refused = await gateway.invite(room.id, room.host, user, prefer=prefer)
    found = await wait_for_command(gateway, refused.headers["location"], room.host)
    assert (found["outcome"], found["reason"]) == ("rejected", "already_invited")


async def wait_for_command(gateway: GatewayClient, path: str, user: str) -> dict[str, object]:
    """Return a command's outcome, which is 404 until it is decided."""

    async def decided() -> dict[str, object] | None:
        answer = await gateway.get(path, user)
        if answer.status_code == 200:
            return dict(answer.json())
        assert parse_problem(answer) == (404, "command_not_found")
        return None

    return dict(await wait_until(decided, path))


@pytest.mark.parametrize(
    "prefer",
    [
        *("wait=30", "wait=1000", "wait=9999999999999999999999"),
        *("wait=-1", "wait=soon", "wait=", "wait", "x", "", None),
    ],
)
@retry_when_late
async def test_an_outcome_is_answered_as_soon_as_it_is_there(
    gateway: GatewayClient, client: ContractClient, prefer: str | None
) -> None:
    room, user = await client.create_room(), await client.create_user()
    with in_time(4.5, "the outcome"):
        answer = await gateway.invite(room.id, room.host, user, prefer=prefer)
    accepted_outcome(answer, 201)


async def test_waiting_no_time_is_an_asynchronous_answer(
    gateway: GatewayClient, client: ContractClient
) -> None:
    room, user = await client.create_room(), await client.create_user()
    key = new_id()
    assert_pending(await gateway.invite(room.id, room.host, user, prefer="wait=0", idempotency_key=key), key)
    await client.wait_for_outcome(key)


@asynccontextmanager
async def pausable_invitations(
    deployment: Deployment, database_url: str, prefix: str
) -> AsyncIterator[tuple[RunningService, Deployment]]:
    """Run a deployment of invitations and a gateway; yield the service and the deployment."""
    own = {"COHOST_DATABASE_URL": database_url, "COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "2"}
    services = [
        await run_service(name, {**deployment.variables, **own}) for name in ("invitations", "broadcast")
    ]
    invitations, broadcast = services
    urls = {"COHOST_INVITATIONS_URL": invitations.url, "COHOST_BROADCAST_URL": broadcast.url}
    try:
        for service in services:
            await wait_until(partial(service.is_answering, "/readyz"), f"{service.url} to be ready", 60)
        async with run_gateway(deployment, **own, **urls) as there:
            yield invitations, there
    finally:
        invitations.process.send_signal(signal.SIGCONT)
        await asyncio.gather(*(service.stop_service() for service in services))


async def timed(asking: "asyncio.Future[httpx.Response] | object") -> tuple[httpx.Response, float]:
    """Return an answer, and the seconds until it came."""
    began = time.monotonic()
    answer = await asking  # type: ignore[misc]
    return answer, time.monotonic() - began


WAITS: dict[str | None, int] = {
    "wait=1": 1,
    "wait=0": 0,
    "WAIT=2": 2,
    "wait=2; x=y": 2,
    "wait=-1": 5,
    "wait=soon": 5,
    "wait=1.5": 5,
    "": 5,
    None: 5,
    "wait=30": 30,
    "wait=31": 30,
    "wait=100000": 30,
}


@retry_when_late
async def test_an_undecided_command_is_answered_when_the_time_is_over(
    deployment: Deployment, database_url: str, prefix: str
) -> None:
    async with (
        pausable_invitations(deployment, database_url, prefix) as (invitations, there),
        open_contract_client(there) as client,
        WebClient(there) as web,
        GatewayClient(web, there.gateway_url) as gateway,
    ):
        room = await client.create_room(maxCoHosts=50)
        users = {prefer: await client.create_user() for prefer in WAITS}
        keys = {prefer: new_id() for prefer in WAITS}

        async def invite(prefer: str | None) -> httpx.Response:
            more = {"prefer": prefer, "idempotency_key": keys[prefer]}
            return await gateway.invite(room.id, room.host, users[prefer], **more)

        invitations.process.send_signal(signal.SIGSTOP)
        answers = await asyncio.gather(*(timed(invite(prefer)) for prefer in WAITS))
        for (answer, seconds), (prefer, expected) in zip(answers, WAITS.items(), strict=True):
            assert_pending(answer, keys[prefer])
            assert expected - 0.1 <= seconds, prefer
            if seconds >= expected + LATE_SECONDS:
                msg = f"the answer to {prefer} came after {seconds} s"
                raise TooLate(msg)
        invitations.process.send_signal(signal.SIGCONT)
        for prefer in WAITS:
            await client.wait_for_outcome(keys[prefer])
            assert accepted_outcome(await invite(prefer), 201).command_id == keys[prefer]
        await assert_decided_while_waiting(invitations, gateway, client, room)


async def assert_decided_while_waiting(
    invitations: RunningService, gateway: GatewayClient, client: ContractClient, room: Room
) -> None:
    """Wait for a command that is undecided for longer than by default."""
    user, key = await client.create_user(), new_id()
    invitations.process.send_signal(signal.SIGSTOP)
    waiting = asyncio.create_task(
        gateway.invite(room.id, room.host, user, prefer="wait=25", idempotency_key=key)
    )
    await client.log.wait_until(lambda: client.log.by_id[key], "the command on the topic")
    assert not waiting.done()
    invitations.process.send_signal(signal.SIGCONT)
    assert accepted_outcome(await waiting, 201).command_id == key


async def test_without_kafka_a_command_is_unavailable_and_may_be_repeated(
    deployment: Deployment, web: WebClient, gateway: GatewayClient, client: ContractClient
) -> None:
    room, user, key = await client.create_room(), await client.create_user(), new_id()
    nowhere = {"COHOST_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    async with (
        run_gateway(deployment, "/healthz", **nowhere) as there,
        GatewayClient(web, there.gateway_url) as away,
    ):
        answer = await away.invite(room.id, room.host, user, idempotency_key=key)
        assert parse_problem(answer) == (503, "unavailable")
        assert answer.json()["commandId"] == key
        assert int(answer.headers["retry-after"]) >= 1
        unnamed = await away.invite(room.id, room.host, user)
        assert (unnamed.status_code, len(unnamed.json()["commandId"]) > 0) == (503, True)
        fact = await away.send("PUT", f"/v1/users/{user}", "platform", {"status": "active"}, scope=PLATFORM)
        assert parse_problem(fact) == (503, "unavailable")
        stream = await away.get(f"/v1/rooms/{room}/stream", room.host)
        assert parse_problem(stream) == (503, "unavailable")
        for problem in (answer, unnamed, fact, stream):
            assert "Kafka" in problem.json()["detail"]
        assert (await away.get_json(f"/v1/rooms/{room}", room.host))["roomId"] == room.id
        assert (await away.get("/readyz")).status_code == 503
    accepted_outcome(await gateway.invite(room.id, room.host, user, idempotency_key=key), 201)


@retry_when_late
async def test_a_refusal_in_time_is_answered_however_short_the_wait(
    gateway: GatewayClient, client: ContractClient
) -> None:
    with in_time(4, "the refusal"):
        answer = await gateway.invite(unique_id("room"), "alice", "bob", prefer="wait=4")
    await assert_refused(client, answer, "room_not_found")
