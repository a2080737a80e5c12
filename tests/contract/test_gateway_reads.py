"""Section E, reads: the services' answers over one URL, and what happens while a service is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.contract_client import BROADCAST_COMMANDS, ContractClient, new_id, unique_id
from tests.contract.deployment import Deployment
from tests.contract.gateway_client import GatewayClient
from tests.contract.service_processes import free_port, run_gateway
from tests.contract.web_client import OPS, WebClient, parse_problem


@pytest.fixture
async def seat(stage_driver: StageDriver, client: ContractClient) -> SeatedUser:
    """A seat that nothing changes any more, in a room with a pending invitation."""
    room = await stage_driver.open_room(title="Friday night")
    await stage_driver.invite_user(room, await client.create_user())
    seat = await stage_driver.seat_user(room, await client.create_user())
    await stage_driver.wait_for_provisioned(seat)
    return seat


def without_token(body: Any) -> Any:
    """Return a body without what is new in each answer of `broadcast-data`."""
    changing = ("token", "expiresAt")
    return {**body, **{name: len(body[name]) for name in changing}} if "serverUrl" in body else body


def paths_of(seat: SeatedUser) -> dict[str, bool]:
    """Return every read of a room, its invitations and users, and whether it is broadcast's."""
    room = f"/v1/rooms/{seat.room}"
    return {
        f"/v1/rooms?hostId={seat.room.host}": False,
        "/v1/rooms?limit=0": False,
        f"/v1/rooms?status=any&hostId={seat.room.host}": False,
        "/v1/rooms?status=odd": False,
        room: False,
        f"{room}/invitations": False,
        f"{room}/invitations?status=pending&limit=1": False,
        f"{room}/invitations?limit=0": False,
        f"{room}/invitations?cursor=nonsense": False,
        f"{room}/co-hosts": False,
        f"/v1/rooms/{unique_id('room')}/co-hosts": False,
        f"/v1/users/{seat.user}/invitations": False,
        f"/v1/users/{seat.user}/invitations?status=any&roomId={seat.room}": False,
        f"/v1/invitations/{seat.invitation}": False,
        f"/v1/invitations/{unique_id('invitation')}": False,
        f"/v1/commands/{seat.acceptance.id}": False,
        f"{room}/broadcast-data": True,
        f"{room}/broadcast-data?as=viewer": True,
        f"{room}/broadcast-data?as=odd": True,
        f"{room}/stage": True,
        f"/v1/rooms/{unique_id('room')}/stage": True,
    }


async def test_every_read_has_the_services_answer(
    gateway: GatewayClient, web: WebClient, seat: SeatedUser
) -> None:
    callers = [web.headers(user) for user in (seat.room.host, seat.user, "mallory")]
    callers += [{}, web.headers("ops", scope=OPS)]
    statuses = set()
    for path, is_broadcast in paths_of(seat).items():
        service = web.broadcast if is_broadcast else web.invitations
        for headers in callers:
            ours, theirs = [await http.get(path, headers=headers) for http in (gateway.http, service)]
            assert ours.status_code == theirs.status_code, (path, ours.text, theirs.text)
            assert without_token(ours.json()) == without_token(theirs.json()), path
            for name in ("content-type", "cache-control"):
                assert ours.headers.get(name) == theirs.headers.get(name), (path, name)
            statuses.add(ours.status_code)
    assert statuses == {200, 401, 403, 404, 422}


async def test_a_list_is_read_page_by_page(gateway: GatewayClient, seat: SeatedUser) -> None:
    path = f"/v1/rooms/{seat.room}/invitations"
    whole = await gateway.get_json(path, seat.room.host)
    first = await gateway.get_json(path, seat.room.host, params={"limit": 1})
    second = await gateway.get_json(path, seat.room.host, params={"limit": 1, "cursor": first["nextCursor"]})
    assert [*first["items"], *second["items"]] == whole["items"]
    assert len(whole["items"]) == 2


async def test_commands_of_both_services_are_read(
    gateway: GatewayClient, web: WebClient, client: ContractClient, seat: SeatedUser
) -> None:
    mute = {"userId": seat.user, "actorId": seat.room.host, "source": "camera"}
    put, _ = await client.send_accepted("MuteCoHost", seat.room, topic=BROADCAST_COMMANDS, **mute)
    for command_id, actor, is_broadcast in (
        (seat.acceptance.id, seat.user, False),
        (put.id, seat.room.host, True),
    ):
        path = f"/v1/commands/{command_id}"
        for caller in ({"user": actor}, {"ops": True}):
            assert await gateway.get_json(path, **caller) == await web.get_json(
                path, broadcast=is_broadcast, **caller
            )
        assert parse_problem(await gateway.get(path, "mallory")) == (403, "forbidden")
        assert parse_problem(await gateway.get(path)) == (401, "unauthorized")
    path = f"/v1/commands/{new_id()}"
    for caller in ({"user": "mallory"}, {"ops": True}):
        assert parse_problem(await gateway.get(path, **caller)) == (404, "command_not_found")


async def test_public_pages_need_no_token(gateway: GatewayClient) -> None:
    for path, kind in {
        "/healthz": "application/json",
        "/readyz": "application/json",
        "/metrics": "text/plain",
        "/openapi.json": "application/json",
    }.items():
        for method in ("GET", "HEAD"):
            answer = await gateway.send(method, path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(kind)
    assert (await gateway.get("/readyz")).json()["parts"]["kafka"] is True
    documented = (await gateway.get("/openapi.json")).json()["paths"]
    assert {f"{method.upper()} {path}" for path, found in documented.items() for method in found} >= ROUTES


ROUTES = {
    *("GET /v1/rooms", "GET /v1/rooms/{roomId}", "PUT /v1/rooms/{roomId}", "DELETE /v1/rooms/{roomId}"),
    *("GET /v1/rooms/{roomId}/invitations", "POST /v1/rooms/{roomId}/invitations"),
    *(
        f"POST /v1/rooms/{{roomId}}/invitations/{{invitationId}}/{verb}"
        for verb in ("accept", "decline", "cancel", "seen", "resend")
    ),
    *("GET /v1/rooms/{roomId}/co-hosts", "PUT /v1/rooms/{roomId}/co-hosts/order"),
    "DELETE /v1/rooms/{roomId}/co-hosts/{userId}",
    *(f"POST /v1/rooms/{{roomId}}/co-hosts/{{userId}}/{verb}" for verb in ("mute", "unmute")),
    *("GET /v1/rooms/{roomId}/broadcast-data", "GET /v1/rooms/{roomId}/stage"),
    *("POST /v1/rooms/{roomId}/stage/quality", "GET /v1/rooms/{roomId}/users/{userId}/diagnosis"),
    *("GET /v1/rooms/{roomId}/stream", "GET /v1/users/{userId}/stream"),
    *("PUT /v1/users/{userId}", "DELETE /v1/users/{userId}", "GET /v1/users/{userId}/invitations"),
    *("GET /v1/invitations/{invitationId}", "GET /v1/commands/{commandId}"),
}


async def test_every_error_is_a_problem(gateway: GatewayClient) -> None:
    assert parse_problem(await gateway.get("/v1/nothing", "alice"))[0] == 404
    assert parse_problem(await gateway.post("/v1/commands/x", "alice"))[0] == 405
    for path in ("/livekit/webhook", "/livekit/admit", "/v1/rooms/%2E%2E%2Fmetrics", "/v1/..%2Fmetrics"):
        assert (await gateway.get(path, "alice")).status_code in {404, 405, 422}, path


async def test_head_has_the_status_and_headers_of_get(gateway: GatewayClient, seat: SeatedUser) -> None:
    for path in paths_of(seat):
        for user in (None, seat.user, "mallory"):
            get, head = await gateway.get(path, user), await gateway.send("HEAD", path, user)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert head.headers.get("content-type") == get.headers.get("content-type")


async def test_a_service_that_is_away_is_named_and_the_other_is_read(
    deployment: Deployment, web: WebClient, seat: SeatedUser
) -> None:
    room, nowhere = f"/v1/rooms/{seat.room}", f"http://127.0.0.1:{free_port()}"
    commands = f"/v1/commands/{seat.acceptance.id}"
    for variable, away, present in (
        (
            "COHOST_INVITATIONS_URL",
            [room, f"{room}/co-hosts", f"/v1/invitations/{seat.invitation}", commands],
            [f"{room}/stage"],
        ),
        (
            "COHOST_BROADCAST_URL",
            [f"{room}/stage", f"{room}/broadcast-data", f"/v1/commands/{new_id()}"],
            [room, commands],
        ),
    ):
        async with (
            run_gateway(deployment, "/healthz", **{variable: nowhere}) as there,
            GatewayClient(web, there.gateway_url) as gateway,
        ):
            for path in away:
                assert parse_problem(await gateway.get(path, seat.user)) == (503, "unavailable"), path
            for path in present:
                assert (await gateway.get(path, seat.user)).status_code == 200, path


@asynccontextmanager
async def raw_service(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a service that answers with these bytes, or not at all; yield its URL and the requests."""
    requests: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            if answer:
                writer.write(answer)
                await writer.drain()
                writer.close()
            else:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\nx-internal: 1\r\n"
    b"content-length: 2\r\n\r\n{}"
)


async def test_no_other_header_passes_in_or_out(deployment: Deployment, web: WebClient) -> None:
    async with (
        raw_service(ANSWER) as (url, requests),
        run_gateway(deployment, "/healthz", COHOST_INVITATIONS_URL=url) as there,
        GatewayClient(web, there.gateway_url) as gateway,
    ):
        smuggled = {
            "cookie": "a=b",
            "x_forwarded_for": "10.0.0.1",
            "x_original_uri": "/admin",
            "x_user": "root",
        }
        answer = await gateway.get("/v1/rooms/room", "alice", **smuggled)
        assert isinstance(answer, httpx.Response)
        assert not {"set-cookie", "x-internal"} & set(answer.headers)
        [head] = [found for found in requests if b"/v1/rooms/room" in found]
        names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
        assert b"authorization" in names
        assert not {b"cookie", b"x-forwarded-for", b"x-original-uri", b"x-user"} & names


async def test_a_service_that_hangs_is_unavailable(deployment: Deployment, web: WebClient) -> None:
    async with (
        raw_service(b"") as (url, _),
        run_gateway(deployment, "/healthz", COHOST_INVITATIONS_URL=url) as there,
        GatewayClient(web, there.gateway_url) as gateway,
    ):
        began = time.monotonic()
        assert parse_problem(await gateway.get("/v1/rooms/room", "alice")) == (503, "unavailable")
        assert time.monotonic() - began < 15
