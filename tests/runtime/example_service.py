"""A minimal service in the runtime of the real ones."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import asyncpg
import jwt
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, facts, topics
from cohost_schemas.rejections import SUMMARY_FIELDS, summarize_command, summarize_invalid_command
from messaging.processor import InputTopic, Topology
from services.runtime.http import auth, fastapi_app, pagination, path_params
from services.runtime.http.problems import HttpProblem
from services.runtime.settings import Port, ServiceSettings

SECRET = "a secret of the tests, long enough for PyJWT"
LAYOUT = Topology(
    name="invitations",
    source="/cohost/invitations",
    inputs=(
        InputTopic(topics.ROOMS, "facts", facts.ROOMS),
        InputTopic(topics.INVITATION_COMMANDS, "commands", commands.INVITATIONS),
    ),
    outputs=(topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS, topics.INVITATION_DEAD_LETTERS),
    rejections=topics.INVITATION_REJECTIONS,
    dead_letters=topics.INVITATION_DEAD_LETTERS,
    summary_fields=SUMMARY_FIELDS,
    summarize_command=summarize_command,
    summarize_invalid_command=summarize_invalid_command,
)


class ExampleSettings(ServiceSettings):
    http_port: Port = 8081


class FakePipeline:
    """A pipeline that waits until it is stopped, or runs `instead`."""

    def __init__(
        self, *, ready: bool = True, facts: bool = True, instead: Coroutine[Any, Any, None] | None = None
    ) -> None:
        self.is_ready = ready
        self.has_read_facts = facts
        self.stopped = asyncio.Event()
        self._work = instead or self._wait()

    def stop(self) -> None:
        self.stopped.set()

    async def run(self) -> None:
        await self._work

    async def _wait(self) -> None:
        await self.stopped.wait()


def example_settings(**more: Any) -> ExampleSettings:
    values = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "jwt_secret": SECRET, **more}
    return ExampleSettings.model_validate(values)


def example_application(pool: asyncpg.Pool, pipeline: Any, chosen: ExampleSettings, **more: Any) -> FastAPI:
    return fastapi_app.create_app(
        "Example",
        settings=chosen,
        pipeline=pipeline,
        registry=CollectorRegistry(),
        pool=pool,
        topology=LAYOUT,
        routers=[example_router(pool)],
        **more,
    )


def example_router(pool: asyncpg.Pool) -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/rooms/{roomId}/example")  # noqa: FAST003 - `path_params` has the alias
    async def example(
        room_id: path_params.RoomId, caller: auth.AuthenticatedCaller, page: pagination.RequestedPage
    ) -> pagination.ListPage[str]:
        items = [room_id, caller.user_id, str(caller.is_ops), str(page.limit)]
        return pagination.ListPage(items=items, next_cursor=page.cursor)

    @routes.get("/v1/mine")
    async def mine() -> None:
        raise HttpProblem(403, "forbidden", "It is somebody else's.")

    @routes.get("/v1/stored")
    async def stored() -> int:
        async with pool.acquire() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM absent"))

    @routes.get("/v1/broken")
    async def broken() -> None:
        msg = "a mistake with a secret in it"
        raise RuntimeError(msg)

    return routes


def bearer_headers(user_id: str = "alice", *, scope: Any = None, secret: str = SECRET) -> dict[str, str]:
    claims = {"sub": user_id, "exp": int(time.time()) + 60, **({"scope": scope} if scope is not None else {})}
    return {"Authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}
