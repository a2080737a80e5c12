"""Server-Sent Events are read whatever the chunks in which they arrive."""

from collections.abc import AsyncIterator

import pytest

from demo.server_events import ServerEvent, read_events

STREAM = (
    "event: ready\nid: p1\ndata: {}\n\n: still there\n\n"
    'event: InvitationSent\r\nid: p2\r\ndata: {"message": "one\u2028line\x85"}\r\n\r\n'
    "id: p3\n\ndata: a\ndata:b\n\ndata: without its end"
)
EVENTS = [
    ServerEvent("ready", "{}", "p1"),
    ServerEvent("InvitationSent", '{"message": "one\u2028line\x85"}', "p2"),
    ServerEvent("message", "a\nb", ""),
]


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
async def test_events_are_read_in_chunks_of_any_size(size: int) -> None:
    encoded = STREAM.encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(encoded), size):
            yield encoded[start : start + size]

    assert [event async for event in read_events(chunks())] == EVENTS
