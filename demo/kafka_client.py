"""The show over Kafka: the project's client, its streams, and the audit of all topics."""

import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import cohost
from cohost import audit
from cohost_schemas.topics import Topic
from cohost_schemas.types import CommandData, Message
from demo.show_client import DemoEnvironment, OutcomeReport, ShowClient, run_readers
from demo.timeline import Timeline


class KafkaShowClient(ShowClient):
    """The client of a show on the topics with a prefix."""

    def __init__(self, kafka: str, prefix: str, client: cohost.Client) -> None:
        self._kafka = kafka
        self._prefix = prefix
        self._client = client

    async def execute(self, data: CommandData, command_id: str | None = None) -> cohost.Accepted[Any]:
        """Publish a command and return the events that it caused."""
        return await self._client.execute(data, command_id)

    def write_fact(self, topic: Topic, key: str, data: Message | None) -> Coroutine[Any, Any, Any]:
        """Write a fact, or a tombstone where `data` is None."""
        return self._client.write_fact(topic, key, data)

    def read_urls(self, environment: DemoEnvironment) -> tuple[str, str]:
        """Return the URLs of the two services."""
        return environment.invitations_url, environment.broadcast_url

    @contextlib.asynccontextmanager
    async def follow_room(self, room_id: str, timeline: Timeline) -> AsyncIterator[None]:
        """Record the room's events and badges during the block, those of before included."""
        async with (
            self._client.events(room_id=room_id, from_="beginning") as events,
            self._client.badges(room_id=room_id) as badges,
            run_readers(timeline, timeline.follow_events(events), timeline.follow_badges(badges)),
        ):
            yield

    async def verify_outcomes(self) -> OutcomeReport:
        """Audit the topics, all of them, from their beginning."""
        report = await audit.audit(self._kafka, self._prefix)
        evidence = f"{report.commands} commands, {report.outcomes} outcomes" if report.commands else ""
        return OutcomeReport(report.violations, evidence)


@contextlib.asynccontextmanager
async def open_kafka_client(kafka: str, prefix: str, seconds: float = 10) -> AsyncIterator[KafkaShowClient]:
    """Open a client over Kafka; each command and fact is given up after `seconds`."""
    async with cohost.Client(kafka, prefix=prefix, source="/demo", timeout=seconds) as client:
        yield KafkaShowClient(kafka, prefix, client)
