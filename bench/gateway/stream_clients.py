"""A process with many clients of live streams, each a socket that notes when which event came.

It reads one line of JSON: host, port, and a request and a number of clients for each room. It prints a line
once all of them are connected, then for each line that it reads the number of events so far, and at the end
of its input what came and when.
"""

import asyncio
import json
import re
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

_CONNECTING_AT_ONCE = 32
_CONNECT_SECONDS = 120
_EVENT_END = b"\n\n"
_find_numbers = re.compile(rb'"id":"event-(\d+)"').findall


class StreamLog:
    """The events of all clients: the number of each, and when it came."""

    def __init__(self) -> None:
        self.numbers = array("I")
        self.times = array("d")
        self.errors: Counter[str] = Counter()


class StreamClient(asyncio.Protocol):
    """One client: it sends a request and reads the stream."""

    def __init__(self, request: bytes, log: StreamLog) -> None:
        self.is_ready = asyncio.get_running_loop().create_future()
        self._request = request
        self._log = log
        self._rest = b""
        self._last = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a TCP connection
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the events that are complete."""
        now = time.monotonic()
        received = self._rest + data
        end = received.rfind(_EVENT_END) + len(_EVENT_END)
        if end < len(_EVENT_END):
            self._rest = received
            return
        self._rest = received[end:]
        complete = received[:end]
        for digits in _find_numbers(complete):
            self._note_event(int(digits), now)
        if not self.is_ready.done() and b"event: ready" in complete:
            self.is_ready.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        """Note that the stream has ended, which none should."""
        self._log.errors["stream ended"] += 1
        if not self.is_ready.done():
            answer = self._rest[:200].decode(errors="replace")
            self.is_ready.set_exception(ConnectionError(f"no stream: {answer}"))

    def _note_event(self, number: int, now: float) -> None:
        if number <= self._last:
            self._log.errors["event out of order or repeated"] += 1
        self._last = number
        self._log.numbers.append(number)
        self._log.times.append(now)


async def connect_clients(options: dict[str, Any], log: StreamLog) -> Sequence[StreamClient]:
    """Connect all clients, a few at once, and wait until each has its first event."""
    loop = asyncio.get_running_loop()
    few = asyncio.Semaphore(_CONNECTING_AT_ONCE)

    async def connect(request: bytes) -> StreamClient:
        async with few:
            _, client = await loop.create_connection(
                lambda: StreamClient(request, log), options["host"], options["port"]
            )
            await client.is_ready
            return client

    async with asyncio.timeout(_CONNECT_SECONDS), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(connect(request.encode()))
            for request, number in options["rooms"]
            for _ in range(number)
        ]
    return [task.result() for task in tasks]


async def run_clients() -> None:
    """Connect, and report until the input ends."""
    lines = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    log = StreamLog()
    clients = await connect_clients(json.loads(await lines.readline()), log)
    _print_line(len(clients))
    while await lines.readline():
        _print_line(len(log.numbers))
    _print_line([len(log.numbers), log.errors])
    sys.stdout.buffer.write(log.numbers.tobytes() + log.times.tobytes())
    sys.stdout.buffer.flush()


def _print_line(value: object) -> None:
    sys.stdout.buffer.write(json.dumps(value).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(run_clients())
