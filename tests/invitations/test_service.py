"""The whole service on a real Kafka and Postgres: commands in, events out, and the audited log."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

import cohost
from cohost import audit
from cohost_schemas import commands, envelope, ids, timestamps, topics
from cohost_schemas.events import CoHostLeft, InvitationCancelled, InvitationExpired, StageChanged
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.partitions import partition_of
from services.invitations.settings import InvitationsSettings
from stack import Stack
from tests.invitations.service_in_process import (
    SECONDS,
    accepting_settings,
    next_event,
    open_client,
    run_in_process,
)

CONTRACT_SECONDS = 5
TICK_SECONDS = 0.05


class StallMeter:
    """Measures for how long the machine gave no processor to this process, which has the service in it."""

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []

    async def run(self) -> None:
        while True:
            began, used = time.time(), time.process_time()
            await asyncio.sleep(TICK_SECONDS)
            # Time that the process itself used makes nothing late but the service.
            stalled = time.time() - began - TICK_SECONDS - (time.process_time() - used)
            if stalled > TICK_SECONDS:
                self._stalls.append((time.time(), stalled))

    def seconds_since(self, start: float) -> float:
        """Return the seconds of stalls since a time in seconds since the epoch."""
        return sum(min(stalled, end - start) for end, stalled in self._stalls if end > start)


@pytest.fixture
async def stalls() -> AsyncIterator[StallMeter]:
    meter = StallMeter()
    running = asyncio.create_task(meter.run())
    yield meter
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@dataclass
class ServiceUnderTest:
    """The service running in this process, and a client of it."""

    settings: InvitationsSettings
    client: cohost.Client

    async def open_room(self, *users: str, seats: int = 5) -> str:
        """Open a new room and add its users; return its id once the service has read the facts."""
        room = f"room-{secrets.token_hex(4)}"
        for user in users:
            await self.client.set_user(UserChanged(user_id=user, status="active"))
        async with self.client.events("invitations", room_id=room) as events:
            fact = RoomChanged(room_id=room, host_id="alice", status="live", max_co_hosts=seats)
            await self.client.set_room(fact)
            await next_event(events, StageChanged)
        return room


@pytest.fixture(scope="module")
async def service_settings(stack: Stack) -> InvitationsSettings:
    url = await stack.create_service_database(f"invitations_{secrets.token_hex(6)}")
    return accepting_settings(stack, url, f"t{secrets.token_hex(4)}.")


@pytest.fixture(scope="module")
async def service(service_settings: InvitationsSettings) -> AsyncIterator[ServiceUnderTest]:
    async with run_in_process(service_settings), open_client(service_settings) as client:
        yield ServiceUnderTest(service_settings, client)


async def test_an_accepted_invitation_becomes_a_seat_that_can_be_left(service: ServiceUnderTest) -> None:
    room = await service.open_room()
    sent = await service.client.send_invitation(room, "bob", "alice")
    assert sent.data.invitation_id == sent.command_id
    accepted = await service.client.accept_invitation(room, sent.command_id, "bob")
    assert accepted.data.status == "accepted"
    left = await service.client.leave_stage(room, "bob")
    assert left.data == CoHostLeft(
        room_id=room,
        user_id="bob",
        invitation_id=sent.command_id,
        reason="left",
        left_at=left.data.left_at,
    )


@pytest.mark.parametrize("broken", ["data", "partition"])
async def test_a_used_invitation_id_is_a_repeat_even_if_invalid(
    service: ServiceUnderTest, broken: str
) -> None:
    room = await service.open_room()
    sent = await service.client.send_invitation(room, "bob", "alice")
    seconds = 5 if broken == "data" else 60
    data = {"roomId": room, "userId": "bob", "actorId": "alice", "expiresInSeconds": seconds}
    event = {"specversion": "1.0", "id": sent.command_id, "source": "/tests", "subject": room, "data": data}
    lane = partition_of(room, service.settings.partitions) + (broken == "partition")
    async with (
        asyncpg.create_pool(service.settings.database_url.get_secret_value(), min_size=1, max_size=1) as pool,
        AIOKafkaProducer(bootstrap_servers=service.settings.kafka_bootstrap_servers) as producer,
    ):
        await pool.execute("DELETE FROM invitations.outcomes WHERE id = $1", sent.command_id)
        put = await producer.send_and_wait(
            topics.INVITATION_COMMANDS.full_name(service.settings.topic_prefix),
            envelope.encode_event({**event, "type": envelope.wire_type("SendInvitation")}),
            key=room.encode(),
            partition=lane % service.settings.partitions,
        )
        position = "SELECT positions -> 'invitations.commands' FROM invitations.lanes WHERE lane = $1"
        async with asyncio.timeout(SECONDS):
            while int(await pool.fetchval(position, put.partition) or 0) <= put.offset:
                await asyncio.sleep(0.02)
        kept = "SELECT count(*) FROM invitations.outcomes WHERE id = $1"
        assert await pool.fetchval(kept, sent.command_id) == 0


async def test_one_of_many_concurrent_answers_wins(service: ServiceUnderTest) -> None:
    room = await service.open_room()
    sent = await service.client.send_invitation(room, "bob", "alice")
    calls = [
        call(room, sent.command_id, actor)
        for call, actor in (
            (service.client.accept_invitation, "bob"),
            (service.client.decline_invitation, "bob"),
            (service.client.cancel_invitation, "alice"),
        )
        for _ in range(5)
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = [outcome.reason for outcome in outcomes if isinstance(outcome, cohost.Rejected)]
    assert refused == ["invitation_not_pending"] * (len(calls) - 1)


async def test_the_last_seat_goes_to_one_of_many_racing_users(service: ServiceUnderTest) -> None:
    room = await service.open_room(seats=1)
    users = [f"user-{number}" for number in range(6)]
    sent = await asyncio.gather(*[service.client.send_invitation(room, user, "alice") for user in users])
    outcomes = await asyncio.gather(
        *[
            service.client.accept_invitation(room, entry.command_id, user)
            for entry, user in zip(sent, users, strict=True)
        ],
        return_exceptions=True,
    )
    refused = [outcome.reason for outcome in outcomes if isinstance(outcome, cohost.Rejected)]
    assert refused == ["room_full"] * (len(users) - 1)


async def test_an_id_used_in_two_rooms_has_one_outcome(service: ServiceUnderTest) -> None:
    rooms = [await service.open_room() for _ in range(4)]
    command_id = ids.uuid7()
    asked = [
        service.client.execute(
            commands.SendInvitation(room_id=room, user_id="bob", actor_id="alice"), command_id
        )
        for room in rooms
    ]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    told = {outcome.data.room_id for outcome in outcomes if isinstance(outcome, cohost.Accepted)}
    assert len(told) == 1


async def test_a_banned_user_loses_every_seat_and_invitation_in_time(
    service: ServiceUnderTest, stalls: StallMeter
) -> None:
    user = f"user-{secrets.token_hex(4)}"
    seated, waiting = await service.open_room(user), await service.open_room(user)
    sent = await service.client.send_invitation(seated, user, "alice")
    await service.client.accept_invitation(seated, sent.command_id, user)
    await service.client.send_invitation(waiting, user, "alice")
    async with (
        service.client.events("invitations", room_id=seated) as of_seated,
        service.client.events("invitations", room_id=waiting) as of_waiting,
    ):
        began = time.time()
        await service.client.set_user(UserChanged(user_id=user, status="banned"))
        left = await next_event(of_seated, CoHostLeft)
        cancelled = await next_event(of_waiting, InvitationCancelled)
        assert time.time() - began - stalls.seconds_since(began) < CONTRACT_SECONDS
    assert (left.reason, cancelled.close_reason) == ("not_eligible", "not_eligible")


async def test_invitations_expire_in_time_also_after_a_worker_change(
    service_settings: InvitationsSettings, service: ServiceUnderTest, stalls: StallMeter
) -> None:
    room = await service.open_room()
    async with service.client.events("invitations", room_id=room) as events:
        sent = await service.client.send_invitation(room, "bob", "alice", expires_in_seconds=10)
        kept = await service.client.send_invitation(room, "carol", "alice")
        async with run_in_process(service_settings):
            expired = await next_event(events, InvitationExpired)
            deadline = timestamps.to_ms(sent.data.expires_at) / 1000
            late = time.time() - deadline
            assert late >= 0
            assert late - stalls.seconds_since(deadline) < CONTRACT_SECONDS
            accepted = await service.client.accept_invitation(room, kept.command_id, "carol")
    assert (expired.invitation_id, expired.updated_at) == (sent.command_id, sent.data.expires_at)
    assert accepted.data.sent_at == kept.data.sent_at
    report = await audit.audit(service_settings.kafka_bootstrap_servers, service_settings.topic_prefix)
    assert report.violations == []
