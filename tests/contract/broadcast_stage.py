"""Stages for the broadcast tests, and broadcast's events and badges about them."""

from dataclasses import dataclass
from typing import Any

from tests.contract import expected_data
from tests.contract.contract_client import ContractClient, Room, WrittenRecord
from tests.contract.topic_log import TopicRecord
from tests.contract.web_client import WebClient

EVENTS = "broadcast.events"


@dataclass(frozen=True)
class SeatedUser:
    """A co-host's seat and the command that created it."""

    room: Room
    user: str
    invitation: str
    acceptance: WrittenRecord

    @property
    def ids(self) -> dict[str, str]:
        return {"roomId": self.room.id, "userId": self.user, "invitationId": self.invitation}


class StageDriver:
    """Seats users and waits for broadcast's records about them."""

    def __init__(self, client: ContractClient, web: WebClient) -> None:
        self.client = client
        self.web = web

    async def open_room(self, status: str = "live", **data: Any) -> Room:
        """Create a room and wait until broadcast knows it."""
        room = await self.client.create_room(status, **data)
        if status in {"idle", "live", "waitingReconnect"}:
            await self.wait_for_badge(room, room.host)
        return room

    async def create_closed_room(self, status: str = "ended") -> Room:
        """Create a closed room that broadcast knows."""
        room = await self.open_room()
        await self.close_room(room, status)
        return room

    async def close_room(self, room: Room, status: str = "ended") -> None:
        await self.client.publish_room(room.id, hostId=room.host, status=status)
        await self.wait_for_no_badge(room, room.host)

    async def invite_user(self, room: Room, user: str) -> str:
        put, _ = await self.client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
        return put.id

    async def accept_invitation(self, room: Room, user: str, invitation: str) -> SeatedUser:
        data = {"invitationId": invitation, "actorId": user}
        put, _ = await self.client.send_accepted("AcceptInvitation", room, **data)
        return SeatedUser(room, user, invitation, put)

    async def seat_user(self, room: Room, user: str) -> SeatedUser:
        """Give a user a seat and wait for the badge."""
        seat = await self.accept_invitation(room, user, await self.invite_user(room, user))
        await self.wait_for_badge(room, user)
        return seat

    async def wait_for_provisioned(self, seat: SeatedUser) -> TopicRecord:
        return (await self.wait_for_events(seat, "GrantProvisioned"))[0]

    async def wait_for_revoked(self, seat: SeatedUser) -> TopicRecord:
        return (await self.wait_for_events(seat, "GrantRevoked"))[0]

    def events_so_far(self, seat: SeatedUser, *names: str) -> list[TopicRecord]:
        """Return broadcast's events about a seat so far, all or those of the given types."""
        found = self.client.log.records_of(EVENTS, seat.room.id, *names)
        return [record for record in found if record.data.get("invitationId") == seat.invitation]

    async def wait_for_events(self, seat: SeatedUser, *names: str) -> list[TopicRecord]:
        return await self.client.log.wait_until(
            lambda: self.events_so_far(seat, *names), f"{names} of the seat"
        )

    def badge_records(self, room: Room, user: str) -> list[TopicRecord]:
        return self.client.log.by_key["badges", f"{room}/{user}".encode()]

    async def wait_for_badge(self, room: Room, user: str) -> TopicRecord:
        """Wait until a user wears a badge, and return its record."""
        worn = self.badge_records(room, user)
        await self.client.log.wait_until(lambda: worn and worn[-1].value is not None, f"{user}'s badge")
        return worn[-1]

    async def wait_for_no_badge(self, room: Room, user: str) -> TopicRecord:
        """Wait until a user's badge is removed, and return the tombstone."""
        worn = self.badge_records(room, user)
        await self.client.log.wait_until(lambda: worn and worn[-1].value is None, f"{user}'s badge to go")
        return worn[-1]

    async def get_broadcast_data(self, room: Room | str, user: str, **query: str) -> dict[str, Any]:
        return dict(
            await self.web.get_json(f"/v1/rooms/{room}/broadcast-data", user, broadcast=True, **query)
        )

    async def get_refusal(self, room: Room | str, user: str, **query: str) -> tuple[int, str]:
        path = f"/v1/rooms/{room}/broadcast-data"
        return await self.web.get_problem(path, user, broadcast=True, **query)

    async def stage_items(self, room: Room) -> dict[str, dict[str, Any]]:
        """Return the items of the stage by user id."""
        found = await self.web.get_json(f"/v1/rooms/{room}/stage", "anyone", broadcast=True)
        return {item["userId"]: item for item in found["items"]}


def stage_item(seat: SeatedUser, **changes: Any) -> dict[str, Any]:
    """Return the expected stage item of a co-host."""
    return {
        "userId": seat.user,
        "role": "coHost",
        "badge": "coHost",
        "invitationId": seat.invitation,
        "since": seat.acceptance.timestamp,
        "grant": "provisioned",
        "connection": "never",
        "graceEndsAt": None,
        "tracks": [],
        "published": [],
        "hardMuted": [],
        "label": None,
        "order": 1,
        **changes,
    }


def provisioned_data(seat: SeatedUser, mode: str, at: str) -> dict[str, Any]:
    permissions = expected_data.publisher_permissions()
    return {**seat.ids, "mode": mode, "permissions": permissions, "provisionedAt": at}


def revoked_data(seat: SeatedUser, reason: str, mode: str, at: str) -> dict[str, Any]:
    return {**seat.ids, "reason": reason, "mode": mode, "revokedAt": at}
