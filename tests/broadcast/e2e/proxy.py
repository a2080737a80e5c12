"""A fault-injecting proxy before a real LiveKit: calls are delayed, refused, unanswered or held."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
from aiohttp import web

from tests.broadcast.fake_livekit import refused

_PASSED_ON = ("authorization", "content-type")
_LOOK_SECONDS = 0.01


class Call(NamedTuple):
    """A received call. Room and user ids are plain text in its protobuf body."""

    method: str
    body: bytes


@dataclass
class Hold:
    """Holds the next call of a method whose body contains `about` and, if given, not `without`.

    The call is held before LiveKit gets it, or, with `after_answer`, its answer before the caller gets it.
    """

    method: str
    about: bytes
    without: bytes | None
    answered: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def concerns(self, body: bytes) -> bool:
        """Return whether a call's body is the one to hold."""
        return self.about in body and (self.without is None or self.without not in body)


@dataclass
class Proxy:
    """Forwards LiveKit's calls byte for byte, apart from its faults.

    `is_down` closes connections at once; `delay_seconds` delays each call; every `refuse_every`-th call is
    refused. `error_replies` replace LiveKit's answers by method. `unanswered_methods` are executed by LiveKit
    but not answered; `delayed_methods` are forwarded only after the caller has given up.
    """

    target: str
    url: str = ""
    down: bool = False
    delay: float = 0.0
    every: int = 0
    troubles: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    swallow: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    _holds: list[Hold] = field(default_factory=list)

    def hold(self, method: str, about: str, *, without: str | None = None, answered: bool = False) -> Hold:
        """Hold the next matching call, or its answer, and return the hold."""
        hold = Hold(method, about.encode(), without.encode() if without else None, answered)
        self._holds.append(hold)
        return hold

    def recover(self) -> None:
        """Remove every fault, release held calls and clear the recorded ones."""
        self.down, self.delay, self.every = False, 0.0, 0
        for hold in self._holds:
            hold.let_go.set()
        for memory in (self.troubles, self.swallow, self.late, self.calls, self._holds):
            memory.clear()

    def count(self, method: str, *about: str) -> int:
        """Return the number of calls of a method whose body contains every given text."""
        return sum(
            call.method == method and all(name.encode() in call.body for name in about) for call in self.calls
        )

    async def answer(self, request: web.Request) -> web.Response:
        """Record a call and forward it, subject to the faults."""
        call = Call(request.match_info["method"], await request.read())
        self.calls.append(call)
        number = len(self.calls)
        if self.down:
            return _hang_up(request)
        await self._held(call, answered=False)
        await asyncio.sleep(self.delay)
        if call.method in self.late:
            await _given_up(request)
        if self.every and number % self.every == 0:
            return refused(503, "unavailable")
        if call.method in self.troubles:
            return self.troubles[call.method]()
        answer = await self._passed_on(request, call)
        await self._held(call, answered=True)
        if call.method in self.swallow:
            await _given_up(request)
        return answer

    async def _held(self, call: Call, *, answered: bool) -> None:
        for hold in self._holds:
            if (hold.method, hold.answered) == (call.method, answered) and hold.concerns(call.body):
                self._holds.remove(hold)
                hold.reached.set()
                await hold.let_go.wait()
                return

    async def _passed_on(self, request: web.Request, call: Call) -> web.Response:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        url = f"{self.target}{request.path}"
        try:
            async with self._session.post(url, data=call.body, headers=headers) as answer:
                return web.Response(
                    status=answer.status, body=await answer.read(), content_type=answer.content_type
                )
        except aiohttp.ClientError:
            return _hang_up(request)

    async def open(self) -> None:
        """Open the HTTP session to LiveKit."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        """Close the HTTP session."""
        await self._session.close()


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _given_up(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(_LOOK_SECONDS)


@contextlib.asynccontextmanager
async def serve(livekit_url: str) -> AsyncIterator[Proxy]:
    """Serve a proxy before a LiveKit, on a free port."""
    proxy = Proxy(f"http{livekit_url.removeprefix('ws')}")
    application = web.Application()
    application.router.add_post("/twirp/livekit.RoomService/{method}", proxy.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await proxy.open()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield proxy
    finally:
        proxy.recover()
        await runner.cleanup()
        await proxy.close()
