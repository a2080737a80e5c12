"""Sections 2 and 8: services that refuse to start, with the reason in one line."""

import asyncio
from functools import partial
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.contract.deployment import Deployment
from tests.contract.polling import wait_until
from tests.contract.service_processes import RunningService, run_service, run_until_exit

CLOCK = {"message.timestamp.type": "LogAppendTime"}
OLDER_BADGES = {"cleanup.policy": "compact", "delete.retention.ms": "86400000"}


SETTINGS = [
    ("invitations", "COHOST_DATABASE_URL", None),
    ("invitations", "COHOST_PARTITIONS", "a dozen"),
    ("invitations", "COHOST_MAX_PENDING", "1001"),
    ("invitations", "COHOST_JWT_SECRET", None),
    ("broadcast", "COHOST_LIVEKIT_API_SECRET", None),
]

REFUSED_LIVEKIT_KEYS = [
    ("COHOST_LIVEKIT_API_KEY", "{}2"),
    ("COHOST_LIVEKIT_API_KEY", "{}\n"),
    ("COHOST_LIVEKIT_API_SECRET", "not {}"),
    ("COHOST_LIVEKIT_API_SECRET", "{}\n"),
]


async def test_a_missing_or_wrong_setting_is_named(deployment: Deployment) -> None:
    async def refusal(service: str, name: str, value: str | None) -> tuple[int, bool]:
        variables = {other: text for other, text in deployment.variables.items() if other != name}
        status, line = await run_until_exit(
            service, variables if value is None else {**variables, name: value}
        )
        return status, name in line

    found = await asyncio.gather(*(refusal(*setting) for setting in SETTINGS))
    assert dict(zip(SETTINGS, found, strict=True)) == dict.fromkeys(SETTINGS, (2, True))


async def test_a_key_or_secret_that_livekit_refuses_is_named(deployment: Deployment) -> None:
    async def refusal(name: str, form: str) -> tuple[int, bool]:
        wrong = {name: form.format(deployment.variables[name])}
        status, line = await run_until_exit("broadcast", {**deployment.variables, **wrong})
        return status, "COHOST_LIVEKIT_API_KEY" in line

    found = await asyncio.gather(*(refusal(*wrong) for wrong in REFUSED_LIVEKIT_KEYS))
    assert found == [(2, True)] * len(REFUSED_LIVEKIT_KEYS)


async def create_topics(
    deployment: Deployment, prefix: str, settings: dict[str, tuple[int, dict[str, str]]]
) -> None:
    """Create topics, given as (partitions, settings) by name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(prefix + name, count, 1, topic_configs=configs)
                for name, (count, configs) in settings.items()
            ]
        )
    finally:
        await admin.close()


WRONG: dict[tuple[str, str], dict[str, tuple[int, dict[str, str]]]] = {
    ("invitations", "counts differ"): {"rooms": (2, CLOCK), "invitations.commands": (3, CLOCK)},
    ("invitations", "rooms by the producer's clock"): {"rooms": (3, {})},
    ("broadcast", "commands by the producer's clock"): {"broadcast.commands": (3, {})},
    ("invitations", "rooms that are deleted after a while"): {"rooms": (3, CLOCK)},
    ("broadcast", "users that are deleted after a while"): {
        "users": (3, {"cleanup.policy": "compact,delete", **CLOCK})
    },
}


async def test_wrong_topics_and_a_foreign_database_are_refused(
    deployment: Deployment, database_url: str, prefix: str
) -> None:
    async def refusal(number: int, service: str, topics: Any) -> tuple[int, bool]:
        own = {"COHOST_TOPIC_PREFIX": f"{prefix}{number}.", "COHOST_PARTITIONS": "3"}
        if topics is not None:
            await create_topics(deployment, own["COHOST_TOPIC_PREFIX"], topics)
            own["COHOST_DATABASE_URL"] = database_url
        status, line = await run_until_exit(service, {**deployment.variables, **own})
        return status, bool(line)

    cases = {**WRONG, ("invitations", "a database of another prefix"): None}
    found = await asyncio.gather(
        *(refusal(number, service, topics) for number, ((service, _), topics) in enumerate(cases.items()))
    )
    assert dict(zip(cases, found, strict=True)) == dict.fromkeys(cases, (3, True))


async def test_partitions_added_while_running_end_both_services(
    deployment: Deployment, database_url: str, prefix: str
) -> None:
    await create_topics(deployment, prefix, {"badges": (3, OLDER_BADGES)})
    own = {"COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "3", "COHOST_DATABASE_URL": database_url}
    running = [
        await run_service(name, {**deployment.variables, **own}) for name in ("invitations", "broadcast")
    ]
    try:
        for service in running:
            await wait_until(partial(service.is_answering, "/readyz"), "the service to be ready", 60)
        await add_partition(deployment, prefix + "broadcast.dead-letters")
        found = await asyncio.gather(*map(end_of, running))
    finally:
        await asyncio.gather(*(service.stop_service() for service in running))
    assert [status for status, _ in found] == [3, 3]
    for _, line in found:
        assert f"{prefix}broadcast.dead-letters 4" in line
    assert await settings_of(deployment, prefix + "badges") >= OLDER_BADGES.items()


async def settings_of(deployment: Deployment, topic: str) -> set[tuple[str, str]]:
    """Return the settings of a topic, which the services leave as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap_servers)
    await admin.start()
    try:
        [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    return {(entry[0], entry[1]) for *_, entries in answer.resources for entry in entries}


async def add_partition(deployment: Deployment, topic: str) -> None:
    """Add a fourth partition to a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(4)})
    finally:
        await admin.close()


async def end_of(service: RunningService) -> tuple[int | None, str]:
    """Return the exit status of a service that ends within a minute, and its last line on standard error."""
    _, output = await asyncio.wait_for(asyncio.shield(service.log), 60)
    return service.process.returncode, output.decode().strip().splitlines()[-1]
