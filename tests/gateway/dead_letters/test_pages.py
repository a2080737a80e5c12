"""Pages of dead letters: newest first, each once, whatever else lies in the log."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from cohost.kafka.bounded_consumer import BoundedConsumer
from cohost.kafka.connection import KafkaConnection
from services.gateway.ops.dead_letters import letter_list, letter_log
from services.gateway.ops.dead_letters.letter import LETTER_TOPICS, parse_position
from services.gateway.ops.dead_letters.letter_list import LetterList, PageQuestion
from services.gateway.ops.dead_letters.letter_log import LetterLog
from services.runtime.http.problems import HttpProblem
from tests import kafka_topics

PARTITIONS = 3
SECONDS = 60
SERVICES = ("invitations", "broadcast")
TIME = "2026-01-01T12:00:00.000Z"


class LetterWriter:
    """Dead letters written as the services do, each in a transaction of its own, and aborted ones."""

    def __init__(
        self, connection: KafkaConnection, producer: AIOKafkaProducer, consumer: BoundedConsumer
    ) -> None:
        self.connection = connection
        self.log = LetterLog(connection)
        self._producer = producer
        self._consumer = consumer
        # Not older than the topic's retention.
        self._times = itertools.count(time.time_ns() // 1_000_000 - 3_600_000, 1_000)

    async def write(self, service: str, partition: int, reason: str = "invalid_fact") -> str:
        """Write a dead letter, and return its id once readers of committed records see it."""
        async with self._producer.transaction():
            offset = await self._send(service, partition, reason)
        at = TopicPartition(self._topic_name(service), partition)
        await kafka_topics.wait_until_readable(self._consumer, {at: offset})
        return f"{service}:{partition}:{offset}"

    async def write_aborted(self, service: str, partition: int) -> None:
        await self._producer.begin_transaction()
        await self._send(service, partition, "invalid_fact")
        await self._producer.abort_transaction()

    def _topic_name(self, service: str) -> str:
        return f"{self.connection.prefix}{service}.dead-letters"

    async def _send(self, service: str, partition: int, reason: str) -> int:
        origin = {"topic": "cohost.rooms", "partition": "0", "offset": "5", "time": TIME}
        sent = await self._producer.send_and_wait(
            self._topic_name(service),
            b"odd",
            partition=partition,
            headers=[
                ("dead-letter-reason", reason.encode()),
                *((f"dead-letter-{name}", value.encode()) for name, value in origin.items()),
            ],
            timestamp_ms=next(self._times),
        )
        return int(sent.offset)

    async def read_pages(self, limit: int, **filters: Any) -> list[list[str]]:
        """Return the ids on all pages, as somebody reads them who has read none before."""
        letters = LetterList(self.log)
        pages, cursor = [], None
        while True:
            question = PageQuestion(filters.get("service"), filters.get("reason"), limit, cursor)
            page = await letters.read_page(question)
            pages.append([letter.id for letter in page.items])
            cursor = page.next_cursor
            if cursor is None:
                return pages

    async def read_ids(self, limit: int, **filters: Any) -> list[str]:
        return [letter_id for page in await self.read_pages(limit, **filters) for letter_id in page]


@pytest.fixture
async def letters(kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LetterWriter]:
    # A page is given out as it is after a second, which a busy machine may need for a short one.
    monkeypatch.setattr(letter_list, "_MAX_SECONDS", SECONDS)
    monkeypatch.setattr(letter_log, "_READ_SECONDS", SECONDS)
    connection = KafkaConnection(kafka, prefix)
    async with connection.open_admin() as admin:
        names = [topic.full_name(prefix) for topic in LETTER_TOPICS.values()]
        await kafka_topics.create_topics(admin, [NewTopic(name, PARTITIONS, 1) for name in names])
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{prefix}letters") as producer,
        connection.open_consumer() as consumer,
    ):
        writer = LetterWriter(connection, producer, consumer)
        yield writer
        await writer.log.close()


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
async def test_pages_merge_all_partitions_newest_first(letters: LetterWriter, limit: int) -> None:
    written = []
    for number in range(14):
        service, partition = SERVICES[number % 2], number // 5
        await letters.write_aborted(service, partition)
        written.append(await letters.write(service, partition))
    pages = await letters.read_pages(limit)
    assert [letter_id for page in pages for letter_id in page] == written[::-1]
    assert {len(page) for page in pages[:-2]} <= {limit}
    of_one = [letter_id for letter_id in written[::-1] if letter_id.startswith("broadcast")]
    assert await letters.read_ids(limit, service="broadcast") == of_one


async def test_empty_topics_have_one_empty_page(letters: LetterWriter) -> None:
    assert await letters.read_pages(50) == [[]]


async def test_a_rare_reason_is_found_behind_many_others(letters: LetterWriter) -> None:
    rare = await letters.write("invitations", 0, "unknown_fact")
    for number in range(400):
        await letters.write("invitations", 0 if number else 1)
    pages = await letters.read_pages(10, reason="unknown_fact")
    # A page reads back a bounded part of each partition, so the first ones are empty.
    assert [page for page in pages if page] == [[rare]]
    assert len(pages) > 1


async def test_a_page_ends_where_the_log_begins_now(letters: LetterWriter) -> None:
    written = [await letters.write("invitations", 0) for _ in range(10)]
    await letters.write_aborted("invitations", 0)
    reader = LetterList(letters.log)
    first = await reader.read_page(PageQuestion(None, None, 2, None))
    assert [letter.id for letter in first.items] == written[:-3:-1]
    partition = TopicPartition(f"{letters.connection.prefix}invitations.dead-letters", 0)
    kept_from = int(written[6].rsplit(":", 1)[1])
    async with letters.connection.open_admin() as admin:
        await admin.delete_records({partition: RecordsToDelete(before_offset=kept_from)})
    rest = await reader.read_page(PageQuestion(None, None, 50, first.next_cursor))
    assert [letter.id for letter in rest.items] == [written[7], written[6]]
    assert rest.next_cursor is None
    deleted, kept = (parse_position(written[number]) for number in (5, 6))
    assert deleted is not None
    assert kept is not None
    assert set(await letters.log.read_letters({deleted, kept})) == {kept}


async def test_letters_that_are_not_the_services_are_left_out(letters: LetterWriter) -> None:
    written = await letters.write("broadcast", 1)
    foreign = await letters.write("broadcast", 1, "no_reason")
    assert await letters.read_ids(50) == [written]
    position = parse_position(foreign)
    assert position is not None
    assert await letters.log.read_letters({position}) == {}


async def test_many_are_found_by_their_ids(letters: LetterWriter) -> None:
    written = [await letters.write("invitations", number % 3) for number in range(60)]
    positions = {position for letter_id in written[::7] if (position := parse_position(letter_id))}
    assert len(positions) == 9
    assert set(await letters.log.read_letters(positions)) == positions


async def test_requests_at_once_share_an_answer(letters: LetterWriter) -> None:
    await letters.write("broadcast", 2)
    reader, question = LetterList(letters.log), PageQuestion(None, None, 50, None)
    first, *others = await asyncio.gather(*(reader.read_page(question) for _ in range(5)))
    assert all(other is first for other in others)


async def test_a_page_is_refused_while_kafka_is_away(prefix: str) -> None:
    reader = LetterList(LetterLog(KafkaConnection("127.0.0.1:1", prefix)))
    with pytest.raises(HttpProblem) as refused:
        await reader.read_page(PageQuestion(None, None, 50, None))
    assert (refused.value.status, refused.value.reason) == (503, "unavailable")
    assert refused.value.retry_after
