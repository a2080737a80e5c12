"""Section E, live streams: who may read which, `ready`, the form of events, and how streams end."""

import asyncio
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.broadcast_stage import StageDriver
from tests.contract.contract_client import ContractClient, Room, unique_id
from tests.contract.deployment import Deployment
from tests.contract.event_stream import EventStream, open_stream, published_events
from tests.contract.gateway_client import GatewayClient, accepted_outcome
from tests.contract.polling import TooLate, in_time, retry_when_late, wait_until
from tests.contract.service_processes import gateway_variables, run_service
from tests.contract.web_client import OPS, WebClient, parse_problem

COMMENT_SECONDS = 15
TOKEN_SECONDS = 8
"""Longer than a busy machine stalls: a stream must open in this time."""


@pytest.fixture
async def room(stage_driver: StageDriver) -> Room:
    """A room whose host wears the badge: it must not come on a stream that a test opens."""
    return await stage_driver.open_room()


async def test_a_rooms_stream_is_for_anyone_with_a_token(gateway: GatewayClient, room: Room) -> None:
    path = f"/v1/rooms/{room}/stream"
    for user, claims in ((room.host, {}), ("anyone", {}), ("ops", {"scope": OPS})):
        async with open_stream(gateway, path, user, **claims) as stream:
            assert stream.ready.id
    assert parse_problem(await gateway.get(path)) == (401, "unauthorized")
    unknown = f"/v1/rooms/{unique_id('room')}/stream"
    assert parse_problem(await gateway.get(unknown)) == (401, "unauthorized")
    for ops in (False, True):
        assert parse_problem(await gateway.get(unknown, "anyone", ops=ops)) == (404, "room_not_found")


async def test_a_deleted_room_has_no_stream(
    gateway: GatewayClient, client: ContractClient, room: Room
) -> None:
    gone = await client.delete_room(room)
    await client.wait_for_outcome(gone.position)
    answer = await gateway.get(f"/v1/rooms/{room}/stream", room.host)
    assert parse_problem(answer) == (404, "room_not_found")


async def test_a_users_stream_is_for_that_user_and_ops(gateway: GatewayClient) -> None:
    user = unique_id("user")
    path = f"/v1/users/{user}/stream"
    for caller, claims in ((user, {}), ("ops", {"scope": f"a {OPS}"})):
        async with open_stream(gateway, path, caller, **claims):
            pass
    assert parse_problem(await gateway.get(path)) == (401, "unauthorized")
    for caller in ("mallory", "ops"):
        assert parse_problem(await gateway.get(path, caller)) == (403, "forbidden")


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "jwt"])
async def test_a_token_in_the_url_is_no_token(gateway: GatewayClient, room: Room, name: str) -> None:
    params = {name: gateway.web.sign_token(room.host)}
    answer = await gateway.get(f"/v1/rooms/{room}/stream", params=params)
    assert parse_problem(answer) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["/v1/rooms/a%20b/stream", "/v1/users/a%20b/stream"])
async def test_an_invalid_id_is_refused(gateway: GatewayClient, path: str) -> None:
    assert parse_problem(await gateway.get(path, "alice", ops=True)) == (422, "invalid_request")


async def test_head_ends_at_once(gateway: GatewayClient, room: Room) -> None:
    user = unique_id("user")
    for path, caller in ((f"/v1/rooms/{room}/stream", "anyone"), (f"/v1/users/{user}/stream", user)):
        answer = await asyncio.wait_for(gateway.send("HEAD", path, caller), 60)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")
    unknown = await gateway.send("HEAD", f"/v1/rooms/{unique_id('room')}/stream", "anyone")
    assert unknown.status_code == 404


async def test_streams_are_neither_cached_nor_buffered(gateway: GatewayClient, room: Room) -> None:
    answer = await gateway.send("HEAD", f"/v1/rooms/{room}/stream", "anyone")
    assert "no-" in answer.headers["cache-control"]


async def test_events_are_the_topics_in_one_line(
    gateway: GatewayClient, client: ContractClient, room: Room
) -> None:
    user, odd = await client.create_user(), "two\nlines\r\n\u2028\u2029\u0085 🎤 : data: x\n\nevent: y"
    paths = {room.host: f"/v1/rooms/{room}/stream", user: f"/v1/users/{user}/stream"}
    async with (
        open_stream(gateway, paths[room.host], room.host) as of_room,
        open_stream(gateway, paths[user], user) as of_user,
    ):
        body = {"userId": user, "message": odd}
        sent = accepted_outcome(await gateway.post(f"/v1/rooms/{room}/invitations", room.host, body), 201)
        for stream in (of_room, of_user):
            [event] = await stream.wait_for("InvitationSent")
            assert event.data == sent.events[0]
            assert event.data["data"]["message"] == odd
            assert event.id
            assert event.id != stream.ready.id


async def test_everything_before_ready_can_be_read_and_everything_after_it_comes(
    gateway: GatewayClient, client: ContractClient, room: Room
) -> None:
    """Open streams while invitations are sent: each is read over HTTP, or comes on the stream."""
    users = [await client.create_user() for _ in range(30)]
    path = f"/v1/rooms/{room}/stream"

    async def invite_all() -> None:
        for user in users:
            await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)

    async def read_both() -> set[str]:
        async with open_stream(gateway, path, room.host) as stream:
            listed = await gateway.get_json(f"/v1/rooms/{room}/invitations", room.host, params={"limit": 200})
            await inviting
            found = {item["userId"] for item in listed["items"]}
            await wait_until(
                lambda: found | {event.data["data"]["userId"] for event in stream.news} == set(users),
                "every invitation",
            )
            return found

    inviting = asyncio.create_task(invite_all())
    before = []
    while not inviting.done():
        before.append(asyncio.create_task(read_both()))
        await wait_until(
            lambda: (
                inviting.done() or len(client.log.records_of("invitations.events", room.id)) > 3 * len(before)
            )
        )
    await asyncio.gather(*before)
    assert len(before) > 1


async def test_a_busy_room_is_streamed_whole_to_host_and_ops(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room = await stage_driver.open_room("idle")
    path = f"/v1/rooms/{room}/stream"
    begin = len(client.log.records)
    async with (
        open_stream(gateway, path, room.host) as first,
        open_stream(second_gateway, path, "ops", scope=OPS) as second,
    ):
        seat = await stage_driver.seat_user(room, await client.create_user())
        await stage_driver.wait_for_provisioned(seat)
        refused = await gateway.invite(room.id, room.host, seat.user)
        assert refused.status_code == 409
        await client.send_accepted("ArrangeStage", room, actorId=room.host, userIds=[seat.user])
        await client.send_accepted("LeaveStage", room, actorId=seat.user)
        await stage_driver.wait_for_revoked(seat)
        await stage_driver.close_room(room)
        records = [
            record
            for record in client.log.records[begin:]
            if (record.key or b"").split(b"/")[0] == room.id.encode()
        ]
        expected = published_events(records)
        for stream in (first, second):
            await assert_events(stream, expected)
    assert {name for found in expected.values() for name, _ in found} >= {
        *("StageChanged", "InvitationSent", "InvitationAccepted", "StageArranged", "CoHostLeft"),
        *("GrantProvisioned", "GrantRevoked", "BadgeChanged", "BadgeRemoved"),
    }


async def assert_events(stream: EventStream, expected: dict[str, list[tuple[str, Any]]]) -> None:
    """Assert that a stream has exactly these events, each topic's in its order."""
    count = sum(map(len, expected.values()))
    await stream.wait_for(count=count)
    assert stream.by_topic() == expected


@retry_when_late
async def test_a_comment_comes_every_15_seconds(gateway: GatewayClient) -> None:
    user = unique_id("user")
    async with open_stream(gateway, f"/v1/users/{user}/stream", user) as stream:
        with in_time(COMMENT_SECONDS + 5, "the first comment"):
            await wait_until(lambda: stream.comments, "a comment")
        first = time.monotonic()
        with in_time(COMMENT_SECONDS + 5, "the second comment"):
            await wait_until(lambda: stream.comments > 1, "a second comment")
        if time.monotonic() - first <= COMMENT_SECONDS - 5:
            msg = "the second comment came too early, or the first one too late"
            raise TooLate(msg)
        assert stream.news == []


@pytest.mark.parametrize("kind", ["rooms", "users"])
@retry_when_late
async def test_a_stream_ends_with_its_token(gateway: GatewayClient, room: Room, kind: str) -> None:
    path = f"/v1/{kind}/{room.id if kind == 'rooms' else room.host}/stream"
    ends = int(time.time()) + TOKEN_SECONDS
    async with open_stream(gateway, path, room.host, exp=ends) as stream:
        with in_time(ends + 2 - time.time(), "the end of the stream"):
            await stream.wait_for_end()
        assert ends - 1 <= time.time()
    assert parse_problem(await gateway.http.get(path, headers=gateway.web.headers(room.host, exp=ends))) == (
        401,
        "unauthorized",
    )


async def test_open_streams_do_not_delay_the_end_of_the_gateway(
    deployment: Deployment, web: WebClient, room: Room
) -> None:
    service = await run_service("gateway", gateway_variables(deployment))
    try:
        await wait_until(lambda: service.is_answering("/readyz"), "the gateway to be ready", 60)
        async with (
            GatewayClient(web, service.url) as gateway,
            open_stream(gateway, f"/v1/rooms/{room}/stream", room.host) as stream,
        ):
            service.process.terminate()
            await stream.wait_for_end(15)
            await asyncio.wait_for(asyncio.shield(service.log), 15)
    finally:
        await service.stop_service()
    assert service.process.returncode == 0


FLOOD = 8_000
FLOOD_SECONDS = 3600


async def test_a_reader_too_far_behind_is_disconnected_and_delays_nobody(
    gateway: GatewayClient, client: ContractClient, room: Room
) -> None:
    """A reader that reads nothing is cut off; another one reads on, and the first one resumes."""
    user, path = await client.create_user(), f"/v1/rooms/{room}/stream"
    slow = await open_slow_stream(gateway, path, room.host)
    async with open_stream(gateway, path, room.host, exp=int(time.time()) + FLOOD_SECONDS) as fast:
        message = {"message": "🎤" * 280}
        for events in range(200, FLOOD + 1, 200):
            await invite_and_cancel(client, room, user, 100, message)
            # One process writes and reads: on a busy machine this reader must not fall behind, too.
            await fast.wait_for(count=events)
        found = await asyncio.wait_for(slow.read_to_end(), 60)
        whole = found[: found.rindex(b"\n\n")]
        seen = whole.count(b"event: Invitation")
        assert seen < FLOOD
        [*_, after] = [line[3:].strip() for line in whole.split(b"\n") if line.startswith(b"id:")]
        async with open_stream(gateway, path, room.host, after=after.decode()) as resumed:
            [first, *_] = await resumed.wait_for()
            assert first.data == fast.news[seen].data


async def invite_and_cancel(
    client: ContractClient, room: Room, user: str, times: int, more: dict[str, Any]
) -> None:
    """Write this many pairs of commands, and wait until the last is decided."""
    for _ in range(times):
        put = await client.send_command("SendInvitation", room, userId=user, actorId=room.host, **more)
        last = await client.send_command("CancelInvitation", room, invitationId=put.id, actorId=room.host)
    await client.wait_for_outcome(last.id)


class SlowReader:
    """A connection with small buffers, whose owner does not read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    async def read_to_end(self) -> bytes:
        loop, found = asyncio.get_running_loop(), b""
        while True:
            try:
                chunk = await loop.sock_recv(self._connection, 1 << 20)
            except ConnectionError:
                chunk = b""
            if not chunk:
                self._connection.close()
                return found
            found += chunk


async def open_slow_stream(gateway: GatewayClient, path: str, user: str) -> SlowReader:
    """Open a stream and read nothing but its first bytes."""
    there = urlsplit(str(gateway.http.base_url))
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)  # noqa: FBT003 - a built-in's
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (there.hostname, there.port))
    token = gateway.web.sign_token(user, exp=int(time.time()) + FLOOD_SECONDS)
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    await loop.sock_sendall(connection, head.encode())
    assert b" 200 " in await loop.sock_recv(connection, 64)
    return SlowReader(connection)
