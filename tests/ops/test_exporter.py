"""The exporter on a real Kafka: what it counts of a log, whatever the log is like."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete

from cohost.kafka.connection import KafkaConnection
from cohost_schemas import envelope, events, topics
from cohost_schemas.types import Message
from ops.exporter import app
from ops.exporter.settings import ExporterSettings
from services.runtime import process
from tests import kafka_topics
from tests.broadcast.domain.stage_builder import co_host_left, invitation_accepted, time_at

ROOM = "room"
SECONDS = 120


@dataclass
class EventLog:
    """The topics of events, with one partition each, written as the services write them."""

    kafka: str
    prefix: str
    last_sequence: int = 0

    @property
    def invitation_events(self) -> str:
        return topics.INVITATION_EVENTS.full_name(self.prefix)

    async def create_topics(self) -> None:
        names = [
            topic.full_name(self.prefix) for topic in (topics.INVITATION_EVENTS, topics.BROADCAST_EVENTS)
        ]
        async with self.admin() as admin:
            await kafka_topics.create_topics(admin, [NewTopic(name, 1, 1) for name in names])

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def write(self, *data: Message, sequence: int | None = None, abort: bool = False) -> None:
        """Write events in a transaction, with the next sequences or from the given one."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, transactional_id=f"{self.prefix}test")
        async with producer:
            await producer.begin_transaction()
            for number, event in enumerate(data, sequence or self.last_sequence + 1):
                name = type(event).__name__
                value = envelope.build_cloud_event(
                    name,
                    event,
                    event_id=f"event-{number}",
                    source="/tests",
                    subject=ROOM,
                    time=time_at(number),
                )
                sent = await producer.send_and_wait(
                    self.invitation_events,
                    envelope.encode_event(value),
                    headers=[("sequence", b"%d" % number)],
                )
            if abort:
                await producer.abort_transaction()
            else:
                await producer.commit_transaction()
                self.last_sequence = number
                await self._wait_until_readable(sent.offset)

    async def _wait_until_readable(self, offset: int) -> None:
        at = TopicPartition(self.invitation_events, 0)
        async with KafkaConnection(self.kafka, self.prefix).open_consumer() as consumer:
            await kafka_topics.wait_until_readable(consumer, {at: offset})

    async def delete_before(self, offset: int) -> None:
        async with self.admin() as admin:
            await admin.delete_records(
                {TopicPartition(self.invitation_events, 0): RecordsToDelete(before_offset=offset)}
            )


@dataclass
class RunningExporter:
    """An exporter in the tests' process."""

    service: process.Service
    log: EventLog

    async def wait_ready(self) -> None:
        async with asyncio.timeout(SECONDS):
            while not self.service.main.is_ready:
                await asyncio.sleep(0.02)

    async def wait_value(self, name: str, value: float) -> None:
        """Wait until a series has this value."""
        async with asyncio.timeout(SECONDS):
            while await self.value(name) != value:
                await asyncio.sleep(0.02)

    async def value(self, name: str) -> float | None:
        """Return the value of the topic's series, or of the only one with this name."""
        transport = httpx.ASGITransport(app=self.service.http)
        async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
            page = (await client.get("/metrics")).text
        label = f'{{topic="{self.log.invitation_events}"}} '
        found = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{label}"))]
        return float(found[0].rpartition(" ")[2]) if found else None


@contextlib.asynccontextmanager
async def run_exporter(log: EventLog) -> AsyncIterator[RunningExporter]:
    settings = ExporterSettings(kafka_bootstrap_servers=log.kafka, topic_prefix=log.prefix)
    service = await app.build_exporter(settings)
    running = asyncio.create_task(service.main.run())
    try:
        yield RunningExporter(service, log)
    finally:
        service.main.stop()
        await running


@pytest.fixture
async def log(kafka: str, prefix: str) -> EventLog:
    return EventLog(kafka, prefix)


def invitation_sent(invitation_id: str) -> events.InvitationSent:
    fields = invitation_accepted("bob", invitation_id).model_dump()
    return events.InvitationSent(**{**fields, "status": "pending", "responded_at": None})


async def test_the_exporter_waits_until_the_topics_exist(log: EventLog) -> None:
    async with run_exporter(log) as exporter:
        assert not exporter.service.main.is_ready
        assert await exporter.value("cohost_invitations_sent_total") is None
        await log.create_topics()
        await exporter.wait_ready()
        assert await exporter.value("cohost_invitations_sent_total") == 0


async def test_aborted_and_repeated_records_are_not_counted(log: EventLog) -> None:
    await log.create_topics()
    await log.write(invitation_sent("first"), invitation_sent("second"))
    await log.write(invitation_sent("never"), abort=True)
    await log.write(invitation_sent("second"), invitation_sent("third"), sequence=2)
    async with run_exporter(log) as exporter:
        await exporter.wait_ready()
        assert await exporter.value("cohost_invitations_sent_total") == 3
        assert await exporter.value("cohost_exporter_duplicates_total") == 1
        await log.write(invitation_accepted("bob", "third"))
        await exporter.wait_value("cohost_seats", 1)
        assert await exporter.value("cohost_invitations_pending") == 2


async def test_a_missing_record_is_reported_and_the_rest_is_counted(log: EventLog) -> None:
    await log.create_topics()
    await log.write(invitation_sent("first"))
    await log.write(invitation_sent("fifth"), sequence=5)
    async with run_exporter(log) as exporter:
        await exporter.wait_ready()
        assert await exporter.value("cohost_invitations_sent_total") == 2
        assert await exporter.value("cohost_exporter_missing_records_total") == 3


async def test_an_event_that_no_service_writes_is_reported_and_the_rest_is_counted(log: EventLog) -> None:
    await log.create_topics()
    impossible = invitation_accepted("bob", "first").model_copy(
        update={"responded_at": "2026-02-30T12:00:00.000Z"}
    )
    await log.write(impossible, invitation_sent("second"))
    async with run_exporter(log) as exporter:
        await exporter.wait_ready()
        assert await exporter.value("cohost_exporter_unreadable_records_total") == 1
        assert await exporter.value("cohost_invitations_sent_total") == 1


async def test_a_log_without_its_beginning_counts_what_is_left(log: EventLog) -> None:
    await log.create_topics()
    await log.write(invitation_sent("first"))
    await log.write(invitation_accepted("bob", "first"))
    await log.write(co_host_left("bob", "first"), invitation_sent("second"))
    # A commit takes an offset as well.
    await log.delete_before(4)
    async with run_exporter(log) as exporter:
        await exporter.wait_ready()
        assert await exporter.value("cohost_exporter_deleted_records") == 2
        assert await exporter.value("cohost_invitations_sent_total") == 1
        assert (await exporter.value("cohost_invitations_pending"), await exporter.value("cohost_seats")) == (
            1,
            0,
        )
