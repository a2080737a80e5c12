"""A faulty way to a real LiveKit: what passes here gets there late, without an answer, or not at all."""

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
    """A call that came here. Names stand in its body as they are."""

    method: str
    body: bytes


@dataclass
class Hold:
    """The next call of a method that names something, and another thing not, where that is given.

    It is kept from LiveKit, or its answer from the caller.
    """

    method: str
    about: bytes
    without: bytes | None
    answered: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def concerns(self, body: bytes) -> bool:
        """Say whether a call is the one."""
        return self.about in body and (self.without is None or self.without not in body)


@dataclass
class Proxy:
    """Passes LiveKit's calls on, byte for byte, but for its faults.

    `down` hangs up at once; a call takes `delay` seconds more; of `every` so many calls the last is refused.
    `troubles` are answers instead of LiveKit's, by method. Methods that it has to `swallow` are done by
    LiveKit and not answered; `late` ones get there when the caller has given up.
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
        """Hold the next such call: before LiveKit has it, or its answer."""
        hold = Hold(method, about.encode(), without.encode() if without else None, answered)
        self._holds.append(hold)
        return hold

    def recover(self) -> None:
        """Have no faults from now on, and forget what was called."""
        self.down, self.delay, self.every = False, 0.0, 0
        for hold in self._holds:
            hold.let_go.set()
        for memory in (self.troubles, self.swallow, self.late, self.calls, self._holds):
            memory.clear()

    def count(self, method: str, *about: str) -> int:
        """Return how many calls of a method came that name all of this."""
        return sum(
            call.method == method and all(name.encode() in call.body for name in about) for call in self.calls
        )

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a call as LiveKit does, or as the faults want it."""
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
        """Connect."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        """Drop the connections."""
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
    """Stand before a LiveKit, on a free port."""
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
