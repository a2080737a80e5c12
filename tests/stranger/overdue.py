"""Invitations that expire in the background of the other tests: ten seconds is their shortest lifetime."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.stranger import snapshots
from tests.stranger.client import Put, Room, Stranger
from tests.stranger.log import SECONDS, Record
from tests.stranger.web import Web

LASTS = 10
SWEPT_WITHIN = 5
TRIES = 3


@dataclass(frozen=True)
class Case:
    """An invitation of ten seconds, and the record written right after its expiry."""

    room: Room
    user: str
    sent: Put
    late: Put | None = None
    cause: str = ""

    @property
    def pending(self) -> dict[str, Any]:
        return snapshots.pending(self.sent, self.room, self.user, LASTS)

    @property
    def expired(self) -> dict[str, Any]:
        return snapshots.expired(self.pending)


Late = Callable[[Stranger, Room, str, Put], Awaitable[Put | None]]


async def over(sent: Put) -> None:
    """Wait until the invitation has expired, by the clock: no record announces it."""
    await asyncio.sleep(max(0.0, sent.milliseconds / 1000 + LASTS + 0.002 - time.time()))


async def case(client: Stranger, late: Late | None = None) -> Case:
    room, user = await client.create_room(), await client.user()
    data = {"userId": user, "actorId": room.host, "expiresInSeconds": LASTS}
    sent, _ = await client.accepted("SendInvitation", room, **data)
    if late is None:
        return Case(room, user, sent)
    await over(sent)
    put = await late(client, room, user, sent)
    if put is None:
        return Case(room, user, sent)
    cause = put.id or put.position
    await client.log.until(lambda: client.log.by_cause[cause], f"what follows from {cause}")
    return Case(room, user, sent, put, cause)


async def accept(client: Stranger, room: Room, user: str, sent: Put) -> Put:
    return await client.send("AcceptInvitation", room, invitationId=sent.id, actorId=user)


async def decline(client: Stranger, room: Room, user: str, sent: Put) -> Put:
    return await client.send("DeclineInvitation", room, invitationId=sent.id, actorId=user)


async def cancel(client: Stranger, room: Room, _: str, sent: Put) -> Put:
    return await client.send("CancelInvitation", room, invitationId=sent.id, actorId=room.host)


async def expire(client: Stranger, room: Room, _: str, sent: Put) -> Put:
    return await client.send("ExpireInvitation", room, invitationId=sent.id)


async def invite(client: Stranger, room: Room, user: str, _: Put) -> Put:
    return await client.send("SendInvitation", room, userId=user, actorId=room.host)


async def close(client: Stranger, room: Room, _: str, __: Put) -> Put:
    return await client.say_room(room.id, hostId=room.host, status="ended")


async def remove(client: Stranger, room: Room, _: str, __: Put) -> Put:
    return await client.remove_room(room)


async def promote(client: Stranger, room: Room, user: str, _: Put) -> Put:
    return await client.say_room(room.id, hostId=user, status="live")


async def ban(client: Stranger, _: Room, user: str, __: Put) -> None:
    await client.say_user(user, "banned")


async def read(client: Stranger, web: Web) -> tuple[Case, list[Any]]:
    """Read an invitation over HTTP before its expiry, and in every way right after it."""
    found = await case(client)
    one, rooms = f"/v1/invitations/{found.sent.id}", f"/v1/rooms/{found.room}/invitations"
    users = f"/v1/users/{found.user}/invitations"
    before = await web.json(one, found.user)
    await over(found.sent)
    after = await asyncio.gather(
        web.json(one, found.user),
        web.json(rooms, found.room.host),
        web.json(rooms, found.room.host, status="expired"),
        web.json(users, found.user, status="expired"),
        web.json(users, found.user),
        web.json(rooms, found.room.host, status="pending"),
    )
    return found, [before, *after]


LATE: dict[str, Late] = {
    "AcceptInvitation": accept,
    "DeclineInvitation": decline,
    "CancelInvitation": cancel,
    "ExpireInvitation": expire,
    "SendInvitation": invite,
    "ended": close,
    "tombstone": remove,
    "became_host": promote,
    "banned": ban,
}


class Overdue:
    """Every case, started with the first test."""

    def __init__(self, client: Stranger, web: Web) -> None:
        self._stranger = client
        self.read = asyncio.create_task(read(client, web))
        self.alone = [asyncio.create_task(case(client)) for _ in range(TRIES)]
        self.late = {
            name: [asyncio.create_task(case(client, late)) for _ in range(TRIES)]
            for name, late in LATE.items()
        }

    async def left_alone(self) -> list[Case]:
        """Return the cases of invitations without an answer."""
        return await asyncio.gather(*self.alone)

    async def cases(self, name: str) -> list[Case]:
        return await asyncio.gather(*self.late[name])

    async def closings(self, case: Case) -> list[Record]:
        """Wait for the events that close the invitation, and return them."""
        events = self._stranger.log.by_key["invitations.events", case.room.id.encode()]

        def closed() -> list[Record]:
            ours = [found for found in events if found.event["data"].get("invitationId") == case.sent.id]
            return [found for found in ours if found.name != "InvitationSent"]

        return await self._stranger.log.until(closed, "the closing", LASTS + SECONDS)

    async def stop(self) -> None:
        tasks = [self.read, *self.alone, *[task for tasks in self.late.values() for task in tasks]]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
