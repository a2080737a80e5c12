"""Section E, diagnosis: why a user with a seat, or the host, is not on air."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.broadcast_stage import EVENTS, SeatedUser, StageDriver
from tests.contract.contract_client import ContractClient, open_contract_client
from tests.contract.deployment import Deployment
from tests.contract.gateway_client import GatewayClient
from tests.contract.livekit_participants import join_room
from tests.contract.polling import wait_until
from tests.contract.service_processes import free_port, run_gateway, run_services
from tests.contract.test_gateway_diagnosis import ON_AIR, Step, first_problem, path_of, read_steps
from tests.contract.web_client import WebClient, parse_problem

COMPARISON_SECONDS = 90.0


async def wait_for_problem(gateway: GatewayClient, room: Any, user: str, expected: Step) -> None:
    """Wait until this is the first step that is not ok; it follows LiveKit's webhook or comparison."""
    found: list[Step] = []

    async def is_found() -> bool:
        found.append(await first_problem(gateway, room, user))
        return found[-1] == expected

    try:
        await wait_until(is_found)
    except AssertionError:
        assert found[-1] == expected  # to show it


async def test_a_co_host_from_the_seat_to_the_air(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, await client.create_user())
    await stage_driver.wait_for_provisioned(seat)
    for more in ({}, {"caller": room.host}, {"ops": True}):
        assert await first_problem(gateway, room, seat.user, **more) == ("connected", "waiting", None)
    steps = {step["step"]: step for step in await read_steps(gateway, room, seat.user)}
    assert steps["seen"]["state"] == "ok"  # never marked, but accepted
    async with join_room(await stage_driver.get_broadcast_data(room, seat.user)) as bob:
        await stage_driver.wait_for_events(seat, "CoHostConnected")
        await wait_for_problem(gateway, room, seat.user, ("publishing", "waiting", None))
        await bob.publish_track("camera")
        await stage_driver.wait_for_events(seat, "CoHostMediaChanged")
        await wait_for_problem(gateway, room, seat.user, ON_AIR)
        for step in await read_steps(gateway, room, seat.user, room.host):
            assert (step["state"], step["advice"]) == ("ok", None)
        await assert_quality_named(gateway, client, seat)
    await stage_driver.wait_for_events(seat, "CoHostDisconnected")
    # The grace may be over by then.
    step, _, _ = await first_problem(gateway, room, seat.user)
    assert step in {"connected", "seated"}


async def assert_quality_named(gateway: GatewayClient, client: ContractClient, seat: SeatedUser) -> None:
    """Assert that a quality is a problem while it is poor or lost by what was published last."""
    path, log = f"/v1/rooms/{seat.room}/stage/quality", client.log
    for count, quality in enumerate(("poor", "good", "lost"), 1):
        assert (await gateway.post(path, seat.user, {"quality": quality})).status_code == 202

        def is_published(count: int = count) -> bool:
            return len(log.records_of(EVENTS, seat.room.id, "ParticipantQualityChanged")) >= count

        await log.wait_until(is_published, quality)
        step, state, detail = await first_problem(gateway, seat.room, seat.user)
        if quality == "good":
            assert (step, state, detail) == ON_AIR
        else:
            assert (step, state) == ("quality", "failed")
            assert detail in (None, quality)


async def test_the_host_needs_no_invitation(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    host = await client.create_user()
    room = await stage_driver.open_room(host=host)
    assert await first_problem(gateway, room, host) == ("connected", "waiting", None)
    async with join_room(await stage_driver.get_broadcast_data(room, host)) as connection:
        log = client.log
        await log.wait_until(
            lambda: log.records_of(EVENTS, room.id, "HostConnected"), "the host's connection"
        )
        await wait_for_problem(gateway, room, host, ("publishing", "waiting", None))
        await connection.publish_track()
        await wait_for_problem(gateway, room, host, ON_AIR)
    assert parse_problem(await gateway.get(path_of(room, host), "mallory")) == (403, "forbidden")


async def test_a_host_whom_the_platform_never_named_is_no_problem(
    gateway: GatewayClient, stage_driver: StageDriver
) -> None:
    """Hosts need no `UserChanged`: the platform decides through the room whether a host may stream."""
    room = await stage_driver.open_room()
    assert await first_problem(gateway, room, room.host) == ("connected", "waiting", None)


@asynccontextmanager
async def other_deployment(
    deployment: Deployment, path: str, **variables: str
) -> AsyncIterator[tuple[ContractClient, StageDriver, GatewayClient]]:
    """Run services and a gateway with other settings, and yield clients of them."""
    async with (
        run_services(deployment, "invitations", "broadcast", path=path, **variables) as there,
        run_gateway(there, path) as running,
        open_contract_client(running) as client,
        WebClient(running) as web,
        GatewayClient(web, running.gateway_url) as gateway,
    ):
        yield client, StageDriver(client, web), gateway


BODY = b'{"code":"unauthenticated","msg":"invalid API key"}'
REFUSAL = (
    b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\nconnection: close\r\n"
    + f"content-length: {len(BODY)}\r\n\r\n".encode()
    + BODY
)


@asynccontextmanager
async def refusing_livekit(port: int) -> AsyncIterator[None]:
    """Run a LiveKit that refuses every call's key."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(REFUSAL)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", port):
        yield


async def seat_failing(stage_driver: StageDriver) -> SeatedUser:
    """Seat a user in a room of its own, and wait until the grant has failed."""
    room = await stage_driver.open_room("idle")
    seat = await stage_driver.seat_user(room, await stage_driver.client.create_user())
    await stage_driver.wait_for_events(seat, "GrantFailed")
    return seat


async def test_a_grant_that_fails_and_a_key_that_livekit_refuses(
    deployment: Deployment, database_url: str, prefix: str
) -> None:
    port = free_port()
    own = {"COHOST_DATABASE_URL": database_url, "COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "2"}
    nowhere = {"COHOST_LIVEKIT_URL": f"ws://127.0.0.1:{port}"}
    async with other_deployment(deployment, "/healthz", **own, **nowhere) as (_, stage_driver, gateway):
        seat = await seat_failing(stage_driver)
        expected = ("granted", "failed", "livekit_unavailable")
        await wait_for_problem(gateway, seat.room, seat.user, expected)
        async with refusing_livekit(port):
            refused = await seat_failing(stage_driver)
            await wait_for_problem(
                gateway, refused.room, refused.user, ("granted", "failed", "livekit_refused")
            )
            # What failed before is tried again, and has the new cause.
            await wait_for_problem(gateway, seat.room, seat.user, ("granted", "failed", "livekit_refused"))


async def test_a_lost_webhook_is_named_until_the_comparison_finds_the_connection(
    deployment: Deployment, database_url: str, prefix: str
) -> None:
    """LiveKit reports to another broadcast: this one finds out by comparing."""
    own = {"COHOST_DATABASE_URL": database_url, "COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "2"}
    async with other_deployment(deployment, "/readyz", **own) as (client, stage_driver, gateway):
        room = await stage_driver.open_room()
        seat = await stage_driver.seat_user(room, await client.create_user())
        await stage_driver.wait_for_provisioned(seat)
        async with join_room(await stage_driver.get_broadcast_data(room, seat.user)) as bob:
            found = [await first_problem(gateway, room, seat.user)]
            await bob.publish_track("camera")

            async def is_on_air() -> bool:
                found.append(await first_problem(gateway, room, seat.user))
                return found[-1] == ON_AIR

            await wait_until(is_on_air, "the comparison", COMPARISON_SECONDS)
        steps = {step for step, _, _ in found}
        assert "connected" in steps
        assert steps <= {"connected", "publishing", None}
