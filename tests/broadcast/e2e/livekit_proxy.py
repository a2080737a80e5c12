"""A fault-injecting proxy before a real LiveKit: calls are delayed, refused, unanswered or held."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
from aiohttp import web

from tests.broadcast.fake_livekit import twirp_error

_FORWARDED_HEADERS = ("authorization", "content-type")
_POLL_SECONDS = 0.01


class ProxiedCall(NamedTuple):
    """A received call. Room and user ids are plain text in its protobuf body."""

    method: str
    body: bytes


@dataclass
class HeldCall:
    """Holds the next call of a method whose body contains `about` and, if given, not `without`.

    The call is held before LiveKit gets it, or, with `after_answer`, its answer before the caller gets it.
    """

    method: str
    about: bytes
    without: bytes | None
    after_answer: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def matches_body(self, body: bytes) -> bool:
        """Return whether a call's body is the one to hold."""
        return self.about in body and (self.without is None or self.without not in body)


@dataclass
class LiveKitProxy:
    """Forwards LiveKit's calls byte for byte, apart from its faults.

    `is_down` closes connections at once; `delay_seconds` delays each call; every `refuse_every`-th call is
    refused. `error_replies` replace LiveKit's answers by method. `unanswered_methods` are executed by LiveKit
    but not answered; `delayed_methods` are forwarded only after the caller has given up.
    """

    target: str
    url: str = ""
    is_down: bool = False
    delay_seconds: float = 0.0
    refuse_every: int = 0
    error_replies: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    unanswered_methods: set[str] = field(default_factory=set)
    delayed_methods: set[str] = field(default_factory=set)
    calls: list[ProxiedCall] = field(default_factory=list)
    _holds: list[HeldCall] = field(default_factory=list)

    def hold_call(
        self, method: str, about: str, *, without: str | None = None, after_answer: bool = False
    ) -> HeldCall:
        """Hold the next matching call, or its answer, and return the hold."""
        hold = HeldCall(method, about.encode(), without.encode() if without else None, after_answer)
        self._holds.append(hold)
        return hold

    def clear_faults(self) -> None:
        """Remove every fault, release held calls and clear the recorded ones."""
        self.is_down, self.delay_seconds, self.refuse_every = False, 0.0, 0
        for hold in self._holds:
            hold.release.set()
        for memory in (
            self.error_replies,
            self.unanswered_methods,
            self.delayed_methods,
            self.calls,
            self._holds,
        ):
            memory.clear()

    def count_calls(self, method: str, *about: str) -> int:
        """Return the number of calls of a method whose body contains every given text."""
        return sum(
            call.method == method and all(name.encode() in call.body for name in about) for call in self.calls
        )

    async def handle_call(self, request: web.Request) -> web.Response:
        """Record a call and forward it, subject to the faults."""
        call = ProxiedCall(request.match_info["method"], await request.read())
        self.calls.append(call)
        number = len(self.calls)
        if self.is_down:
            return _hang_up(request)
        await self._wait_if_held(call, after_answer=False)
        await asyncio.sleep(self.delay_seconds)
        if call.method in self.delayed_methods:
            await _wait_for_disconnect(request)
        if self.refuse_every and number % self.refuse_every == 0:
            return twirp_error(503, "unavailable")
        if call.method in self.error_replies:
            return self.error_replies[call.method]()
        answer = await self._forward_call(request, call)
        await self._wait_if_held(call, after_answer=True)
        if call.method in self.unanswered_methods:
            await _wait_for_disconnect(request)
        return answer

    async def _wait_if_held(self, call: ProxiedCall, *, after_answer: bool) -> None:
        for hold in self._holds:
            if (hold.method, hold.after_answer) == (call.method, after_answer) and hold.matches_body(
                call.body
            ):
                self._holds.remove(hold)
                hold.reached.set()
                await hold.release.wait()
                return

    async def _forward_call(self, request: web.Request, call: ProxiedCall) -> web.Response:
        headers = {name: request.headers[name] for name in _FORWARDED_HEADERS if name in request.headers}
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


async def _wait_for_disconnect(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(_POLL_SECONDS)


@contextlib.asynccontextmanager
async def serve_livekit_proxy(livekit_url: str) -> AsyncIterator[LiveKitProxy]:
    """Serve a proxy before a LiveKit, on a free port."""
    proxy = LiveKitProxy(f"http{livekit_url.removeprefix('ws')}")
    application = web.Application()
    application.router.add_post("/twirp/livekit.RoomService/{method}", proxy.handle_call)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await proxy.open()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield proxy
    finally:
        proxy.clear_faults()
        await runner.cleanup()
        await proxy.close()
