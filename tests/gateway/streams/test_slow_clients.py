"""A client that reads nothing is disconnected, and nobody waits for it."""

import asyncio
from typing import Any

from services.gateway.streams.subscription import (
    MAX_EVENTS_BEHIND,
    MAX_PAST_EVENTS,
    Subscription,
    UnrestrictedViewer,
)
from tests.gateway.streams import gateway_copies, stream_log
from tests.gateway.streams.gateway_copies import GatewayCopy
from tests.gateway.streams.stream_log import StreamLog

ROOM = "/v1/rooms/show/stream"


async def connect_silently(
    copy: GatewayCopy, path: str, user: str, **options: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a stream, read its first event, and nothing more."""
    port = int(copy.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    headers = "".join(
        f"{name}: {value}\r\n" for name, value in gateway_copies.stream_headers(user, **options).items()
    )
    writer.write(f"GET {path} HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n".encode())
    await reader.readuntil(b"ready")
    return reader, writer


async def test_a_slow_client_is_disconnected_and_delays_nobody(copy: GatewayCopy, log: StreamLog) -> None:
    reader, writer = await connect_silently(copy, ROOM, "eve")
    async with copy.open(ROOM, "bob") as other:
        for number in range(40):
            await log.write(*(stream_log.co_host_left("show", "bob", number) for _ in range(100)))
            await other.take(100)
            if copy.count("cohost_streams_ended_total", reason="slow"):
                break
    assert copy.count("cohost_streams_ended_total", reason="slow") == 1
    # The other one had everything while the slow one was still waited for.
    assert 100 * number >= MAX_EVENTS_BEHIND
    received = await read_to_end(reader)
    assert received.count(b"event: CoHostLeft") < 100 * (number + 1)
    writer.close()


async def test_a_slow_client_that_resumes_is_given_a_part_at_a_time(
    copy: GatewayCopy, log: StreamLog
) -> None:
    async with copy.open(ROOM, "bob") as reader:
        after = reader.ready.id
        for start in range(0, 3_000, 500):
            await log.write(
                *(stream_log.co_host_left("show", "bob", start + number) for number in range(500))
            )
            await reader.take(500)
    _, writer = await connect_silently(copy, ROOM, "eve", after=after)
    assert max(len(stream._events) for stream in copy.hub._open) <= MAX_PAST_EVENTS  # noqa: SLF001
    writer.close()


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    found = b""
    async with asyncio.timeout(gateway_copies.SECONDS):
        while chunk := await reader.read(65_536):
            found += chunk
    return found


async def test_a_subscription_ends_beyond_a_thousand_waiting_events() -> None:
    called: list[str] = []
    subscription = Subscription(UnrestrictedViewer(), on_slow=lambda: called.append("slow"))
    for _ in range(MAX_EVENTS_BEHIND):
        subscription.push_event(b"event")
    assert (subscription.end_reason, called) == (None, [])
    subscription.push_event(b"event")
    assert (subscription.end_reason, called) == ("slow", ["slow"])
    assert await subscription.take_events() == b""


async def test_events_from_before_do_not_count_as_behind() -> None:
    subscription = Subscription(UnrestrictedViewer())
    subscription.push_past([b"past"] * 5_000)
    for _ in range(MAX_EVENTS_BEHIND):
        subscription.push_event(b"event")
    assert subscription.end_reason is None
    subscription.push_event(b"event")
    assert subscription.end_reason == "slow"


async def test_past_events_that_were_written_make_no_room_for_more() -> None:
    subscription = Subscription(UnrestrictedViewer())
    subscription.push_past([b"p" * 65_536])
    subscription.push_event(b"event")
    assert await subscription.take_events() == b"p" * 65_536
    for _ in range(MAX_EVENTS_BEHIND - 1):
        subscription.push_event(b"event")
    assert subscription.end_reason is None
    subscription.push_event(b"event")
    assert subscription.end_reason == "slow"
