"""Streams while Kafka is away, and when the log moves on under them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cohost.kafka.connection import KafkaConnection
from services.gateway.http import streams
from stack import Stack
from tests.gateway.streams import gateway_copies, stream_log
from tests.gateway.streams.gateway_copies import EventReader, FakeInvitations, GatewayCopy
from tests.gateway.streams.stream_log import StreamLog

ROOM = "/v1/rooms/show/stream"


@pytest.fixture(scope="module")
async def isolated_stack() -> AsyncIterator[Stack]:
    """A Kafka for this module alone, to be killed."""
    async with Stack(components=("kafka",), isolated=True) as up:
        yield up


@pytest.fixture
def kafka(isolated_stack: Stack) -> str:
    return isolated_stack.kafka_bootstrap_servers


@pytest.fixture
def lively(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send a comment every tenth of a second."""
    monkeypatch.setattr(streams, "_HEARTBEAT_SECONDS", 0.1)


async def read_comments(reader: EventReader, count: int) -> None:
    """Read that many more comments of a stream without events."""
    most = len(reader.comments) + count
    while len(reader.comments) < most:
        assert await reader.next_line() == ""


@pytest.mark.usefixtures("lively")
async def test_streams_stay_open_without_kafka_and_go_on_with_it(
    isolated_stack: Stack, copy: GatewayCopy, log: StreamLog, prefix: str
) -> None:
    async with copy.open(ROOM, "bob") as reader:
        await log.write(stream_log.co_host_left("show", "bob", 1))
        first = await reader.next_event()
        isolated_stack.process_of("kafka").kill()
        answer = await copy.request(ROOM, "bob", after=first.id)
        assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
        await read_comments(reader, 5)
        await isolated_stack.restart("kafka")
        async with stream_log.open_stream_log(isolated_stack.kafka_bootstrap_servers, prefix) as again:
            await again.write(stream_log.co_host_left("show", "bob", 2))
        assert (await reader.next_event()).data["data"]["invitationId"] == "i-2"
        async with copy.open(ROOM, "bob", after=first.id) as resumed:
            assert (await resumed.next_event()).data["data"]["invitationId"] == "i-2"


async def test_a_copy_that_starts_without_its_topics_waits_for_them(kafka: str, prefix: str) -> None:
    connection = KafkaConnection(kafka, prefix)
    async with gateway_copies.run_copy(connection, FakeInvitations({"show": []})) as copy:
        assert not copy.hub.is_ready
        opening = asyncio.create_task(copy.request(ROOM, "bob", "HEAD"))
        await stream_log.create_topics(connection)
        await copy.wait_until_ready()
        assert (await opening).status_code in (200, 503)
        assert (await copy.request(ROOM, "bob", "HEAD")).status_code == 200
