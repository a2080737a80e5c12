"""Sections 2 and 8: services that refuse to start, with the reason in one line."""

import asyncio
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.contract.deployment import Deployment
from tests.contract.service_processes import run_until_exit

CLOCK = {"message.timestamp.type": "LogAppendTime"}


SETTINGS = [
    ("invitations", "COHOST_DATABASE_URL", None),
    ("invitations", "COHOST_PARTITIONS", "a dozen"),
    ("invitations", "COHOST_JWT_SECRET", None),
    ("broadcast", "COHOST_LIVEKIT_API_SECRET", None),
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
