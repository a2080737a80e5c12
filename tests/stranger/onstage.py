"""Stages for the broadcast tests, and broadcast's events and badges about them."""

from dataclasses import dataclass
from typing import Any

from tests.stranger import snapshots
from tests.stranger.client import Put, Room, Stranger
from tests.stranger.log import Record
from tests.stranger.web import Web

EVENTS = "broadcast.events"


@dataclass(frozen=True)
class Seat:
    """A co-host's seat and the command that created it."""

    room: Room
    user: str
    invitation: str
    accepted: Put

    @property
    def ids(self) -> dict[str, str]:
        return {"roomId": self.room.id, "userId": self.user, "invitationId": self.invitation}


class Director:
    """Seats users and waits for broadcast's records about them."""

    def __init__(self, client: Stranger, web: Web) -> None:
        self.stranger = client
        self.web = web

    async def show(self, status: str = "live", **data: Any) -> Room:
        """Create a room and wait until broadcast knows it."""
        room = await self.stranger.create_room(status, **data)
        if status in {"idle", "live", "waitingReconnect"}:
            await self.badge(room, room.host)
        return room

    async def closed(self, status: str = "ended") -> Room:
        """Create a closed room that broadcast knows."""
        room = await self.show()
        await self.close(room, status)
        return room

    async def close(self, room: Room, status: str = "ended") -> None:
        await self.stranger.say_room(room.id, hostId=room.host, status=status)
        await self.no_badge(room, room.host)

    async def invite(self, room: Room, user: str) -> str:
        put, _ = await self.stranger.accepted("SendInvitation", room, userId=user, actorId=room.host)
        return put.id

    async def accept(self, room: Room, user: str, invitation: str) -> Seat:
        data = {"invitationId": invitation, "actorId": user}
        put, _ = await self.stranger.accepted("AcceptInvitation", room, **data)
        return Seat(room, user, invitation, put)

    async def seat_user(self, room: Room, user: str) -> Seat:
        """Give a user a seat and wait for the badge."""
        seat = await self.accept(room, user, await self.invite(room, user))
        await self.badge(room, user)
        return seat

    async def wait_for_provisioned(self, seat: Seat) -> Record:
        return (await self.events(seat, "GrantProvisioned"))[0]

    async def revoked(self, seat: Seat) -> Record:
        return (await self.events(seat, "GrantRevoked"))[0]

    def said(self, seat: Seat, *names: str) -> list[Record]:
        """Return broadcast's events about a seat so far, all or those of the given types."""
        found = self.stranger.log.records_of(EVENTS, seat.room.id, *names)
        return [record for record in found if record.data.get("invitationId") == seat.invitation]

    async def events(self, seat: Seat, *names: str) -> list[Record]:
        return await self.stranger.log.until(lambda: self.said(seat, *names), f"{names} of the seat")

    def worn(self, room: Room, user: str) -> list[Record]:
        return self.stranger.log.by_key["badges", f"{room}/{user}".encode()]

    async def badge(self, room: Room, user: str) -> Record:
        """Wait until a user wears a badge, and return its record."""
        worn = self.worn(room, user)
        await self.stranger.log.until(lambda: worn and worn[-1].value is not None, f"{user}'s badge")
        return worn[-1]

    async def no_badge(self, room: Room, user: str) -> Record:
        """Wait until a user's badge is removed, and return the tombstone."""
        worn = self.worn(room, user)
        await self.stranger.log.until(lambda: worn and worn[-1].value is None, f"{user}'s badge to go")
        return worn[-1]

    async def get_broadcast_data(self, room: Room | str, user: str, **query: str) -> dict[str, Any]:
        return dict(await self.web.json(f"/v1/rooms/{room}/broadcast-data", user, broadcast=True, **query))

    async def refused(self, room: Room | str, user: str, **query: str) -> tuple[int, str]:
        path = f"/v1/rooms/{room}/broadcast-data"
        return await self.web.problem(path, user, broadcast=True, **query)

    async def items(self, room: Room) -> dict[str, dict[str, Any]]:
        """Return the items of the stage by user id."""
        found = await self.web.json(f"/v1/rooms/{room}/stage", "anyone", broadcast=True)
        return {item["userId"]: item for item in found["items"]}


def item(seat: Seat, **changes: Any) -> dict[str, Any]:
    """Return the expected stage item of a co-host."""
    return {
        "userId": seat.user,
        "role": "coHost",
        "badge": "coHost",
        "invitationId": seat.invitation,
        "since": seat.accepted.at,
        "grant": "provisioned",
        "connection": "never",
        "graceEndsAt": None,
        "tracks": [],
        "hardMuted": [],
        **changes,
    }


def provisioned(seat: Seat, mode: str, at: str) -> dict[str, Any]:
    permissions = snapshots.publisher()
    return {**seat.ids, "mode": mode, "permissions": permissions, "provisionedAt": at}


def revoked(seat: Seat, reason: str, mode: str, at: str) -> dict[str, Any]:
    return {**seat.ids, "reason": reason, "mode": mode, "revokedAt": at}
