"""Topics of tests: the broker knows a topic a while after it has answered that it was created."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from cohost.kafka.connection import describe_topics
from tests.contract.polling import wait_until


async def create_topics(admin: AIOKafkaAdminClient, requested: Sequence[NewTopic]) -> None:
    """Create the topics that are missing, and wait until the broker knows all of them."""
    await admin.create_topics(list(requested))

    async def are_known() -> bool:
        described = await describe_topics(admin, [topic.name for topic in requested])
        return all(topic.error is None for topic in described)

    await wait_until(are_known, "the new topics")


async def is_known(admin: AIOKafkaAdminClient, name: str) -> bool:
    """Return whether the broker knows a topic, which takes a while after its creation and its deletion."""
    (found,) = await describe_topics(admin, [name])
    return found.error is None
