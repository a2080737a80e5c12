"""Section 2: the topics created by the services, and their settings."""

from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.contract.deployment import Deployment

DAY = 24 * 60 * 60 * 1000
DELETE = {"cleanup.policy": "delete"}
BROKER_CLOCK = {"message.timestamp.type": "LogAppendTime"}
FACTS = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(7 * DAY),
    "delete.retention.ms": str(7 * DAY),
    **BROKER_CLOCK,
}
COMMANDS = {**DELETE, "retention.ms": str(7 * DAY), **BROKER_CLOCK}
FOR_EVER = {**DELETE, "retention.ms": "-1", "retention.bytes": "-1"}
MONTH = {**DELETE, "retention.ms": str(30 * DAY)}
TOPICS = {
    "rooms": FACTS,
    "users": FACTS,
    "invitations.commands": COMMANDS,
    "invitations.events": FOR_EVER,
    "invitations.rejections": MONTH,
    "invitations.dead-letters": {**MONTH, "max.message.bytes": str(2 * 1024 * 1024)},
    "broadcast.commands": COMMANDS,
    "broadcast.signals": {**DELETE, "retention.ms": str(7 * DAY)},
    "broadcast.events": FOR_EVER,
    "broadcast.rejections": MONTH,
    "broadcast.dead-letters": {**MONTH, "max.message.bytes": str(2 * 1024 * 1024)},
    "badges": {"cleanup.policy": "compact", "delete.retention.ms": str(7 * DAY)},
}


@pytest.fixture
async def admin(deployment: Deployment) -> Any:
    client = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap_servers)
    await client.start()
    yield client
    await client.close()


async def test_all_topics_have_the_same_number_of_partitions(
    admin: AIOKafkaAdminClient, deployment: Deployment
) -> None:
    names = [deployment.prefix + name for name in TOPICS]
    described = await admin.describe_topics(names)
    counts = {found["topic"]: len(found["partitions"]) for found in described if not found["error_code"]}
    assert counts == dict.fromkeys(names, deployment.partitions)


async def test_each_topic_has_its_settings(admin: AIOKafkaAdminClient, deployment: Deployment) -> None:
    resources = [ConfigResource(ConfigResourceType.TOPIC, deployment.prefix + name) for name in TOPICS]
    found = {}
    for answer in await admin.describe_configs(resources):
        for _, _, _, name, entries in answer.resources:
            settings = {entry[0]: entry[1] for entry in entries}
            wanted = TOPICS[name.removeprefix(deployment.prefix)]
            found[name.removeprefix(deployment.prefix)] = {key: settings[key] for key in wanted}
    assert found == TOPICS


async def test_the_groups_have_the_contracts_names(
    admin: AIOKafkaAdminClient, deployment: Deployment
) -> None:
    groups = {name for name, _ in await admin.list_consumer_groups()}
    assert {deployment.prefix + "invitations", deployment.prefix + "broadcast"} <= groups
