"""A harness for the HTTP API, on rows written by the processor itself."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import jwt
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, facts, topics
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging.processor import InputRecord
from services.invitations.domain.state import Policy
from services.invitations.http import routes
from services.invitations.settings import InvitationsSettings
from services.invitations.topology import TOPOLOGY
from services.runtime.http import fastapi_app
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM
from tests.runtime import example_service

SECRET = "a secret of the tests, long enough for PyJWT"
LONG_AGO = "2001-01-01T12:00:00.000Z"
ONE_DAY = {"sentAt": "2126-01-01T12:00:00.000Z", "expiresAt": "2126-01-02T12:00:00.000Z"}
FUTURE = ONE_DAY["sentAt"]
_TOPICS: dict[type, Topic] = {
    facts.RoomChanged: topics.ROOMS,
    type(None): topics.ROOMS,
    facts.UserChanged: topics.USERS,
}


@dataclass
class HttpHarness:
    """Processes records and reads over HTTP; records are dated in the future unless the test gives a time."""

    batch_harness: BatchHarness
    http: httpx.AsyncClient
    offsets: "count[int]" = field(default_factory=count)

    async def process_record(
        self,
        data: Message | None,
        key: str = ROOM,
        *,
        at: str = FUTURE,
        name: str = "",
        topic: Topic | None = None,
    ) -> None:
        """Decide and store one record of a lane: by default of the topic that the data belongs to."""
        offset = next(self.offsets)
        topic = topic or _TOPICS.get(type(data), topics.INVITATION_COMMANDS)
        await self.batch_harness.run_batches(
            [[InputRecord(0, topic, offset, at, key, name or f"id-{offset}", data)]]
        )

    async def set_room(
        self,
        status: Any = "live",
        host: str = HOST,
        room: str = ROOM,
        *,
        title: str | None = None,
        at: str = FUTURE,
    ) -> None:
        """Process a `RoomChanged`."""
        fact = facts.RoomChanged(room_id=room, host_id=host, status=status, title=title)
        await self.process_record(fact, room, at=at)

    async def set_user(self, user: str, name: str | None = None, *, status: Any = "active") -> None:
        """Process a `UserChanged`."""
        await self.process_record(facts.UserChanged(user_id=user, status=status, display_name=name), user)

    async def send_invitation(
        self,
        name: str,
        user: str = GUEST,
        room: str = ROOM,
        *,
        label: str | None = None,
        at: str = FUTURE,
    ) -> None:
        """Process a `SendInvitation` by the host that lasts a day; its id is `name`."""
        command = commands.SendInvitation(room_id=room, user_id=user, actor_id=HOST, label=label)
        await self.process_record(command, room, at=at, name=name)

    async def answer_invitation(self, kind: Any, name: str, actor: str, room: str = ROOM) -> None:
        """Process a command of type `kind` that answers or cancels an invitation."""
        await self.process_record(kind(room_id=room, invitation_id=name, actor_id=actor), room)

    async def get_json(self, path: str, user: str = HOST, *, ops: bool = False) -> tuple[int, Any]:
        """Return the status and the JSON body of a GET request."""
        claims = {"sub": user, "exp": int(time.time()) + 60, **({"scope": "cohost:ops"} if ops else {})}
        token = jwt.encode(claims, SECRET, "HS256")
        answer = await self.http.get(path, headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.json()

    async def list_ids(
        self, path: str, user: str = HOST, *, ops: bool = False, name: str = "invitationId"
    ) -> list[str]:
        """Return the ids, by their field's name, on all pages of a list."""
        found: list[str] = []
        cursor = ""
        while True:
            more = "&" if "?" in path else "?"
            status, page = await self.get_json(
                path + (f"{more}cursor={cursor}" if cursor else ""), user, ops=ops
            )
            assert status == 200, page
            found += [item[name] for item in page["items"]]
            if page["nextCursor"] is None:
                return found
            cursor = page["nextCursor"]


@contextlib.asynccontextmanager
async def open_http_harness(
    batch_harness: BatchHarness, policy: Policy | None = None
) -> AsyncIterator[HttpHarness]:
    """Serve the HTTP API on the batch harness's database."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    application = fastapi_app.create_app(
        "Co-host invitations",
        settings=InvitationsSettings.model_validate({"database_url": url, "jwt_secret": SECRET}),
        pipeline=example_service.FakePipeline(),  # type: ignore[arg-type]
        registry=CollectorRegistry(),
        pool=batch_harness.pool,
        topology=TOPOLOGY,
        routers=[routes.create_invitations_router(batch_harness.pool, policy or Policy())],
    )
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://invitations") as client:
        yield HttpHarness(batch_harness, client)
