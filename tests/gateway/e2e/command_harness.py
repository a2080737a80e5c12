"""Both services and copies of the gateway as processes, and callers of the gateway."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import jwt

import cohost
from cohost_schemas.facts import RoomChanged
from stack import Stack
from tests.contract.polling import wait_until
from tests.contract.service_processes import RunningService, run_service

SECRET = "a secret of the tests, long enough for PyJWT"
PARTITIONS = 3
SECONDS = 60.0
PROBLEM = "application/problem+json"


def sign_token(user: str, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + 600, **claims}, SECRET, "HS256")


def unique(name: str) -> str:
    return f"{name}-{secrets.token_hex(4)}"


@dataclass
class GatewayCaller:
    """Requests to one copy of the gateway."""

    web: httpx.AsyncClient

    async def send(
        self, method: str, path: str, user: str, body: Any = None, key: str | None = None, **more: Any
    ) -> httpx.Response:
        """Send a request as a user; `Prefer` and other `more` arguments are headers, `claims` the token's.

        A command waits as long as it may: by default a busy machine's outcome may come too late.
        """
        claims = more.pop("claims", {})
        headers = {"Authorization": f"Bearer {sign_token(user, **claims)}", "Prefer": "wait=30", **more}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.web.request(method, path, headers=headers, json=body)

    async def post(self, path: str, user: str, body: Any = None, key: str | None = None, **more: Any) -> Any:
        return await self.send("POST", path, user, body, key, **more)


@dataclass
class CommandHarness:
    """A deployment with two copies of the gateway."""

    stack: Stack
    variables: Mapping[str, str]
    client: cohost.Client
    callers: list[GatewayCaller]
    services: dict[str, RunningService]
    host: str = "alice"

    @property
    def caller(self) -> GatewayCaller:
        return self.callers[0]

    async def open_room(self, **more: Any) -> str:
        """Make a live room of alice's, and return its id once commands find it."""
        room = unique("room")
        await self.client.set_room(RoomChanged(room_id=room, host_id=self.host, status="live", **more))
        headers = {"Authorization": f"Bearer {sign_token(self.host)}"}

        async def is_known() -> bool:
            return (await self.caller.web.get(f"/v1/rooms/{room}", headers=headers)).status_code == 200

        await wait_until(is_known, f"room {room}", SECONDS)
        return room

    async def invite(self, room: str, user: str, **more: Any) -> str:
        """Invite a user, and return the invitation's id."""
        path = f"/v1/rooms/{room}/invitations"
        answer = await self.caller.post(path, self.host, {"userId": user, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["commandId"])

    async def seat(self, room: str, user: str) -> str:
        """Invite a user who accepts, and return the invitation's id once broadcast has the seat."""
        invitation = await self.invite(room, user)
        answer = await self.caller.post(f"/v1/rooms/{room}/invitations/{invitation}/accept", user)
        assert answer.status_code == 200, answer.text
        headers = {"Authorization": f"Bearer {sign_token(self.host)}"}

        async def is_on_stage() -> bool:
            stage = await self.caller.web.get(f"/v1/rooms/{room}/stage", headers=headers)
            return any(item["userId"] == user for item in stage.json().get("items", []))

        await wait_until(is_on_stage, f"{user} on stage", SECONDS)
        return invitation

    async def records_caused_by(self, cause: str, room: str) -> list[cohost.Event]:
        """Return the events of invitations that a cause has led to in a room, which gets another host."""
        end = await self.client.set_room(RoomChanged(room_id=room, host_id=unique("host"), status="live"))
        found: list[cohost.Event] = []
        stream = self.client.events("invitations", room_id=room, from_="beginning")
        async with asyncio.timeout(SECONDS), contextlib.aclosing(stream) as events:
            async for event in events:
                if event.envelope.causationid == cause:
                    found.append(event)
                if event.envelope.causationid == end:
                    break
        return found


def deployment_variables(stack: Stack, database_url: str, prefix: str) -> dict[str, str]:
    return {
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "COHOST_DATABASE_URL": database_url,
        "COHOST_TOPIC_PREFIX": prefix,
        "COHOST_PARTITIONS": str(PARTITIONS),
        "COHOST_FETCH_MAX_WAIT_MS": "100",
        "COHOST_JWT_SECRET": SECRET,
        "COHOST_UNKNOWN_USERS": "accept",
        "COHOST_ENVIRONMENT": "development",
        "COHOST_COMMANDS_PER_MINUTE": "0",
        "COHOST_LIVEKIT_URL": stack.livekit_url,
        "COHOST_LIVEKIT_API_KEY": stack.livekit_api_key,
        "COHOST_LIVEKIT_API_SECRET": stack.livekit_api_secret,
    }


async def start_ready(service: str, variables: Mapping[str, str]) -> RunningService:
    """Start a process and return it once it is ready."""
    running = await run_service(service, variables)
    try:
        await wait_until(partial(running.is_answering, "/readyz"), f"{service} to be ready", SECONDS)
    except BaseException:
        await running.stop_service()
        raise
    return running


@contextlib.asynccontextmanager
async def call_gateway(url: str) -> AsyncIterator[GatewayCaller]:
    async with httpx.AsyncClient(base_url=url, timeout=60) as web:
        yield GatewayCaller(web)


@contextlib.asynccontextmanager
async def run_deployment(stack: Stack, **settings: str) -> AsyncIterator[CommandHarness]:
    """Run both services and two copies of the gateway during the block."""
    prefix = unique("commands") + "."
    database_url = await stack.create_database(f"d{secrets.token_hex(4)}")
    variables = {**deployment_variables(stack, database_url, prefix), **settings}
    async with contextlib.AsyncExitStack() as ending:

        async def start(name: str) -> RunningService:
            running = await start_ready(name, variables)
            ending.push_async_callback(running.stop_service)
            return running

        invitations, broadcast = await asyncio.gather(start("invitations"), start("broadcast"))
        variables |= {"COHOST_INVITATIONS_URL": invitations.url, "COHOST_BROADCAST_URL": broadcast.url}
        gateways = await asyncio.gather(start("gateway"), start("gateway"))
        callers = [await ending.enter_async_context(call_gateway(gateway.url)) for gateway in gateways]
        client = cohost.Client(stack.kafka_bootstrap_servers, prefix=prefix, timeout=30)
        await ending.enter_async_context(client)
        services = {"invitations": invitations, "broadcast": broadcast}
        yield CommandHarness(stack, variables, client, callers, services)


def read_problem(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """Return the body of an answer that must be this problem."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["reason"]) == (status, status, reason), body
    return body
