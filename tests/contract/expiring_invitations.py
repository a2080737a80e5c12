"""Invitations that expire in the background of the other tests: ten seconds is their shortest lifetime."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.contract import expected_data
from tests.contract.contract_client import ContractClient, Room, WrittenRecord
from tests.contract.topic_log import TIMEOUT_SECONDS, TopicRecord
from tests.contract.web_client import WebClient

LIFETIME_SECONDS = 10
SWEEP_SECONDS = 5
CASES_PER_ACTION = 3
MAX_ROUNDS = 5


@dataclass(frozen=True)
class ExpiringCase:
    """An invitation of ten seconds, and the record written right after its expiry."""

    room: Room
    user: str
    sent: WrittenRecord
    late_record: WrittenRecord | None = None
    cause: str = ""

    @property
    def pending(self) -> dict[str, Any]:
        return expected_data.pending(self.sent, self.room, self.user, LIFETIME_SECONDS)

    @property
    def expired(self) -> dict[str, Any]:
        return expected_data.expired(self.pending)


LateAction = Callable[[ContractClient, Room, str, WrittenRecord], Awaitable[WrittenRecord | None]]


async def wait_until_expired(sent: WrittenRecord) -> None:
    """Wait until the invitation has expired."""
    await wait_until_after(sent, LIFETIME_SECONDS)


async def wait_until_after(put: WrittenRecord, seconds: float) -> None:
    """Wait until this long after a record, by the clock: no record announces it."""
    await asyncio.sleep(max(0.0, put.timestamp_ms / 1000 + seconds + 0.002 - time.time()))


async def wait_until_time(at: str) -> None:
    """Wait until a time of a record, by the clock: no record announces it."""
    await asyncio.sleep(max(0.0, datetime.fromisoformat(at).timestamp() + 0.002 - time.time()))


async def run_case(client: ContractClient, late: LateAction | None = None) -> ExpiringCase:
    room, user = await client.create_room(), await client.create_user()
    data = {"userId": user, "actorId": room.host, "expiresInSeconds": LIFETIME_SECONDS}
    sent, _ = await client.send_accepted("SendInvitation", room, **data)
    if late is None:
        return ExpiringCase(room, user, sent)
    await wait_until_expired(sent)
    put = await late(client, room, user, sent)
    if put is None:
        return ExpiringCase(room, user, sent)
    cause = put.id or put.position
    await client.log.wait_until(lambda: client.log.by_cause[cause], f"what follows from {cause}")
    return ExpiringCase(room, user, sent, put, cause)


async def run_cases(client: ContractClient, late: LateAction) -> list[ExpiringCase]:
    """Run cases until a late record was handled before the service had closed its invitation.

    The service looks for overdue invitations once a second, so that a loaded machine may lose a round.
    """
    cases: list[ExpiringCase] = []
    for _ in range(MAX_ROUNDS):
        cases += await asyncio.gather(*[run_case(client, late) for _ in range(CASES_PER_ACTION)])
        if any(not case.cause or found_pending(client, case) for case in cases):
            break
    return cases


def found_pending(client: ContractClient, case: ExpiringCase) -> bool:
    """Return whether the late record was handled before the service had closed its invitation."""
    return any(
        record.name == "InvitationExpired" or record.data.get("reason") == "invitation_expired"
        for record in client.log.by_cause[case.cause]
    )


async def accept_late(client: ContractClient, room: Room, user: str, sent: WrittenRecord) -> WrittenRecord:
    return await client.send_command("AcceptInvitation", room, invitationId=sent.id, actorId=user)


async def decline_late(client: ContractClient, room: Room, user: str, sent: WrittenRecord) -> WrittenRecord:
    return await client.send_command("DeclineInvitation", room, invitationId=sent.id, actorId=user)


async def cancel_late(client: ContractClient, room: Room, _: str, sent: WrittenRecord) -> WrittenRecord:
    return await client.send_command("CancelInvitation", room, invitationId=sent.id, actorId=room.host)


async def resend_late(client: ContractClient, room: Room, _: str, sent: WrittenRecord) -> WrittenRecord:
    data = {"invitationId": sent.id, "actorId": room.host, "expiresInSeconds": 600}
    return await client.send_command("ResendInvitation", room, **data)


async def see_late(client: ContractClient, room: Room, user: str, sent: WrittenRecord) -> WrittenRecord:
    return await client.send_command("MarkInvitationSeen", room, invitationId=sent.id, actorId=user)


async def expire_late(client: ContractClient, room: Room, _: str, sent: WrittenRecord) -> WrittenRecord:
    return await client.send_command("ExpireInvitation", room, invitationId=sent.id)


async def invite_late(client: ContractClient, room: Room, user: str, _: WrittenRecord) -> WrittenRecord:
    return await client.send_command("SendInvitation", room, userId=user, actorId=room.host)


async def close_late(client: ContractClient, room: Room, _: str, __: WrittenRecord) -> WrittenRecord:
    return await client.publish_room(room.id, hostId=room.host, status="ended")


async def delete_room_late(client: ContractClient, room: Room, _: str, __: WrittenRecord) -> WrittenRecord:
    return await client.delete_room(room)


async def promote_late(client: ContractClient, room: Room, user: str, _: WrittenRecord) -> WrittenRecord:
    return await client.publish_room(room.id, hostId=user, status="live")


async def ban_late(client: ContractClient, _: Room, user: str, __: WrittenRecord) -> None:
    await client.publish_user(user, "banned")


async def read_over_http(client: ContractClient, web: WebClient) -> tuple[ExpiringCase, list[Any]]:
    """Read an invitation over HTTP before its expiry, and in every way right after it."""
    for _ in range(MAX_ROUNDS):
        found = await run_case(client)
        before = await web.get_json(f"/v1/invitations/{found.sent.id}", found.user)
        if time.time() < found.sent.timestamp_ms / 1000 + LIFETIME_SECONDS:
            break  # the machine did not stall for the whole lifetime
    one, rooms = f"/v1/invitations/{found.sent.id}", f"/v1/rooms/{found.room}/invitations"
    users = f"/v1/users/{found.user}/invitations"
    await wait_until_expired(found.sent)
    after = await asyncio.gather(
        web.get_json(one, found.user),
        web.get_json(rooms, found.room.host),
        web.get_json(rooms, found.room.host, status="expired"),
        web.get_json(users, found.user, status="expired"),
        web.get_json(users, found.user),
        web.get_json(rooms, found.room.host, status="pending"),
    )
    return found, [before, *after]


LATE_ACTIONS: dict[str, LateAction] = {
    "AcceptInvitation": accept_late,
    "DeclineInvitation": decline_late,
    "CancelInvitation": cancel_late,
    "ResendInvitation": resend_late,
    "MarkInvitationSeen": see_late,
    "ExpireInvitation": expire_late,
    "SendInvitation": invite_late,
    "ended": close_late,
    "tombstone": delete_room_late,
    "became_host": promote_late,
    "banned": ban_late,
}


class ExpiringInvitations:
    """Every case, started with the first test."""

    def __init__(self, client: ContractClient, web: WebClient) -> None:
        self._client = client
        self.read = asyncio.create_task(read_over_http(client, web))
        self.start_unanswered()
        self.acted_on = {
            name: asyncio.create_task(run_cases(client, late)) for name, late in LATE_ACTIONS.items()
        }

    def start_unanswered(self) -> None:
        """Start the cases of invitations without an answer, again where these were not closed in time."""
        self.unanswered = [asyncio.create_task(run_case(self._client)) for _ in range(CASES_PER_ACTION)]

    async def unanswered_cases(self) -> list[ExpiringCase]:
        """Return the cases of invitations without an answer."""
        return await asyncio.gather(*self.unanswered)

    async def cases_of(self, name: str) -> list[ExpiringCase]:
        return await self.acted_on[name]

    async def wait_for_closings(self, case: ExpiringCase) -> list[TopicRecord]:
        """Wait for the events that close the invitation, and return them."""
        events = self._client.log.by_key["invitations.events", case.room.id.encode()]

        def closed() -> list[TopicRecord]:
            caused = [found for found in events if found.event["data"].get("invitationId") == case.sent.id]
            return [found for found in caused if found.name != "InvitationSent"]

        return await self._client.log.wait_until(closed, "the closing", LIFETIME_SECONDS + TIMEOUT_SECONDS)

    async def stop(self) -> None:
        tasks: list[asyncio.Task[Any]] = [self.read, *self.unanswered, *self.acted_on.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
