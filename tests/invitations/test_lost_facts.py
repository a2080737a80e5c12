"""Rooms and users whose facts were deleted from the beginning of their topic."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import PolicyViolationError
from aiokafka.structs import TopicPartition

import cohost
from cohost import audit
from cohost_schemas import topics
from cohost_schemas.events import InvitationCancelled, StageChanged
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from messaging.errors import LogMismatch
from services.invitations import app
from services.invitations.settings import InvitationsSettings
from stack import Stack
from tests.invitations.service_in_process import (
    PARTITIONS,
    SECONDS,
    accepting_settings,
    next_event,
    open_client,
    run_in_process,
)

LANE = 1
ROOMS = [room for room in map("room-{}".format, range(40)) if partition_of(room, PARTITIONS) == LANE][:6]
USERS = [user for user in map("user-{}".format, range(40)) if partition_of(user, PARTITIONS) == LANE][:5]
LOST_ROOM, KEPT_ROOM = ROOMS[:2]


@pytest.fixture
def service_settings(stack: Stack, database_url: str, prefix: str) -> InvitationsSettings:
    return accepting_settings(stack, database_url, prefix)


async def send_invitation(client: cohost.Client, room: str) -> str:
    async with client.events("invitations", room_id=room) as events:
        await client.set_room(RoomChanged(room_id=room, host_id="alice", status="live"))
        await next_event(events, StageChanged)
    return (await client.send_invitation(room, "bob", "alice")).command_id


async def delete_before(
    service_settings: InvitationsSettings, offset: int, topic: Topic = topics.ROOMS
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=service_settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        name = topic.full_name(service_settings.topic_prefix)
        # Kafka deletes records only of topics with the delete policy.
        await _set_policy(admin, name, "compact,delete")
        deleted = {TopicPartition(name, LANE): RecordsToDelete(before_offset=offset)}
        await poll_until(lambda: _deleted(admin, deleted))
        await _set_policy(admin, name, "compact")
        await poll_until(lambda: _is_compacted(admin, name))
    finally:
        await admin.close()


async def _set_policy(admin: AIOKafkaAdminClient, name: str, policy: str) -> None:
    configs = {**dict(topics.ROOMS.config), "cleanup.policy": policy}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)])


async def _is_compacted(admin: AIOKafkaAdminClient, name: str) -> bool:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return ("cleanup.policy", "compact") in {
        entry[:2] for *_, entries in response.resources for entry in entries
    }


async def poll_until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await condition():
            await asyncio.sleep(0.05)


async def _deleted(admin: AIOKafkaAdminClient, records: dict[TopicPartition, RecordsToDelete]) -> bool:
    try:
        await admin.delete_records(records)
    except PolicyViolationError:
        return False
    return True


async def test_a_room_missing_from_its_topic_is_deleted(service_settings: InvitationsSettings) -> None:
    async with (
        run_in_process(service_settings),
        cohost.Client(
            service_settings.kafka_bootstrap_servers, prefix=service_settings.topic_prefix, timeout=30
        ) as client,
    ):
        forgotten = await send_invitation(client, LOST_ROOM)
        kept = await send_invitation(client, KEPT_ROOM)
    await delete_before(service_settings, 1)
    async with (
        cohost.Client(
            service_settings.kafka_bootstrap_servers, prefix=service_settings.topic_prefix, timeout=30
        ) as client,
        client.events("invitations", room_id=LOST_ROOM) as events,
        run_in_process(service_settings),
    ):
        ended = await next_event(events, StageChanged)
        cancelled = await next_event(events, InvitationCancelled)
        with pytest.raises(cohost.Rejected) as refused:
            await client.send_invitation(LOST_ROOM, "carol", "alice")
        accepted = await client.accept_invitation(KEPT_ROOM, kept, "bob")
    assert (ended.open, ended.status) == (False, "ended")
    assert (cancelled.invitation_id, cancelled.close_reason) == (forgotten, "room_ended")
    assert refused.value.reason == "room_not_found"
    assert accepted.data.status == "accepted"
    assert (
        await audit.audit(service_settings.kafka_bootstrap_servers, service_settings.topic_prefix)
    ).violations == []


async def write_and_lose_facts(service_settings: InvitationsSettings) -> None:
    """Have the service read 4 open and 2 ended rooms, 2 active and 3 other users; then delete their facts."""
    statuses = ["idle", "live", "live", "waitingReconnect", "ended", "error"]
    facts = [
        RoomChanged(room_id=room, host_id="alice", status=status)
        for room, status in zip(ROOMS, statuses, strict=True)
    ]
    users = ["active", "active", "banned", "banned", "deleted"]
    async with run_in_process(service_settings), open_client(service_settings) as client:
        for fact in facts:
            await client.set_room(fact)
        for user, status in zip(USERS, users, strict=True):
            await client.set_user(UserChanged(user_id=user, status=status))
        await poll_until(lambda: has_rows(service_settings, len(ROOMS), len(USERS)))
    await delete_before(service_settings, len(ROOMS))
    await delete_before(service_settings, len(USERS), topics.USERS)


async def has_rows(service_settings: InvitationsSettings, rooms: int, users: int) -> bool:
    """Return whether this many rooms that are not deleted, and users that are not gone, are stored."""
    connection = await asyncpg.connect(service_settings.database_url.get_secret_value())
    try:
        found = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM invitations.rooms WHERE NOT deleted),"
            " (SELECT count(*) FROM invitations.users WHERE status <> 'gone')"
        )
        return tuple(found) == (rooms, users)
    finally:
        await connection.close()


async def run_until_it_ends(service_settings: InvitationsSettings) -> None:
    service = await app.build_service(service_settings, app.create_broker(service_settings))
    try:
        async with asyncio.timeout(SECONDS):
            await service.main.run()
    finally:
        for close in service.closers:
            await close()


async def test_many_lost_facts_in_use_stop_the_service_and_end_nothing(
    service_settings: InvitationsSettings,
) -> None:
    await write_and_lose_facts(service_settings)
    prefix = service_settings.topic_prefix
    with pytest.raises(
        LogMismatch, match=rf"\(4 of {prefix}rooms, 2 of {prefix}users\).* loss of 6$"
    ) as refused:
        await run_until_it_ends(service_settings)
    assert refused.value.setting == "max_lost_facts"
    assert await has_rows(service_settings, len(ROOMS), len(USERS))


async def test_lost_facts_that_are_written_again_are_kept(service_settings: InvitationsSettings) -> None:
    await write_and_lose_facts(service_settings)
    async with open_client(service_settings) as client:
        await client.set_room(RoomChanged(room_id=KEPT_ROOM, host_id="alice", status="live"))
    async with run_in_process(service_settings):
        await poll_until(lambda: has_rows(service_settings, 1, 0))


async def test_more_lost_facts_can_be_allowed_by_a_setting(service_settings: InvitationsSettings) -> None:
    await write_and_lose_facts(service_settings)
    async with run_in_process(service_settings.model_copy(update={"max_lost_facts": 6})):
        await poll_until(lambda: has_rows(service_settings, 0, 0))
