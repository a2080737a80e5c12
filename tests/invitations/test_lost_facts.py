"""Rooms and users whose facts were deleted from the beginning of their topic."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import PolicyViolationError
from aiokafka.structs import TopicPartition

import cohost
from cohost import audit
from cohost_schemas import topics
from cohost_schemas.events import InvitationCancelled, StageChanged
from cohost_schemas.facts import RoomChanged
from cohost_schemas.partitions import partition_of
from services.invitations.settings import InvitationsSettings
from stack import Stack
from tests.invitations.test_service import SECONDS, next_event, run_in_process

PARTITIONS = 3
LANE = 1
LOST_ROOM, KEPT_ROOM = [
    room for room in map("room-{}".format, range(20)) if partition_of(room, PARTITIONS) == LANE
][:2]


@pytest.fixture
async def service_settings(stack: Stack, database_url: str, prefix: str) -> InvitationsSettings:
    return InvitationsSettings.model_validate(
        {
            "kafka_bootstrap_servers": stack.kafka_bootstrap_servers,
            "database_url": database_url,
            "topic_prefix": prefix,
            "partitions": PARTITIONS,
            "jwt_secret": "a secret of the tests, long enough for PyJWT",
            "unknown_users": "accept",
        }
    )


async def send_invitation(client: cohost.Client, room: str) -> str:
    async with client.events("invitations", room_id=room) as events:
        await client.set_room(RoomChanged(room_id=room, host_id="alice", status="live"))
        await next_event(events, StageChanged)
    return (await client.send_invitation(room, "bob", "alice")).command_id


async def delete_before(service_settings: InvitationsSettings, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=service_settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        name = topics.ROOMS.full_name(service_settings.topic_prefix)
        # Kafka deletes records only of topics with the delete policy.
        configs = {**dict(topics.ROOMS.config), "cleanup.policy": "compact,delete"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)])
        deleted = {TopicPartition(name, LANE): RecordsToDelete(before_offset=offset)}
        async with asyncio.timeout(SECONDS):
            while not await _deleted(admin, deleted):
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


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
