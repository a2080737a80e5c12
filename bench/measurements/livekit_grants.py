"""Measurement of grants on a real LiveKit server, with clients that go on stage and leave it again."""

import asyncio
import contextlib
import dataclasses
import operator
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, TypeVar

from livekit import api, rtc
from livekit.protocol import models

import cohost
from bench import worker
from bench.cpu import CpuMeter
from bench.environment import BenchRun
from bench.measurements.latency import LatencyResult, summarize_latency
from cohost_schemas.facts import RoomChanged, UserChanged
from stack import Stack

T = TypeVar("T")

_LONGEST_PAUSE_SECONDS = 0.1
_IDLE_SECONDS = 3
_PERMISSION_SECONDS = 20
_WARM_UP_CYCLES = 3
_SWITCHES = 3_000


@dataclass(frozen=True)
class LiveKitGrantsResult:
    """Result of calls that changed the permissions of clients.

    `worker_cpu` and `livekit_cpu` are the CPU seconds of broadcast and of LiveKit for one call,
    `livekit_alone` those of LiveKit without any service, when calls come as fast as it answers: the least
    that a call costs it. `decided` and `permitted` are the latencies from an acceptance until its outcome,
    and until the client has the permission.
    """

    calls: int
    seconds: float
    worker_cpu: float
    livekit_cpu: float
    livekit_alone: float
    decided: LatencyResult
    permitted: LatencyResult


async def measure_livekit_grants(
    run: BenchRun, clients: int, cycles: int, seed: int, *, paused: bool = False
) -> LiveKitGrantsResult:
    """Let each client, in a room of its own, accept an invitation and leave the stage `cycles` times.

    With `paused`, a random pause before each acceptance keeps it from always meeting the same timers.
    """
    await run.stack.start("livekit")
    async with contextlib.AsyncExitStack() as resources:
        broadcast = await resources.enter_async_context(_run_services(run))
        client = await resources.enter_async_context(
            cohost.Client(run.bootstrap_servers, prefix=run.prefix, timeout=_PERMISSION_SECONDS)
        )
        guests = [_Guest(client, number) for number in range(clients)]
        for guest in guests:
            resources.push_async_callback(guest.disconnect)
            await guest.connect(run.stack)
        await asyncio.gather(*(guest.run_cycles(_WARM_UP_CYCLES) for guest in guests))
        meter = _UsageMeter(broadcast.process.pid, run.stack.process_of("livekit").pid)
        pauses = Random(seed) if paused else None  # noqa: S311 - a user's hesitation
        idle = await meter.measure_idle()
        began = time.monotonic()
        usage, times = await meter.measure(
            asyncio.gather(*(guest.run_cycles(cycles, pauses) for guest in guests))
        )
        seconds = time.monotonic() - began
        switches = max(1, _SWITCHES // clients)
        alone, _ = await meter.measure(_switch_permissions(run.stack, guests, switches))
    decided, permitted = (
        summarize_latency(1000 * each[kind] for made in times for each in made) for kind in (0, 1)
    )
    calls = 2 * clients * cycles
    worker_cpu, livekit_cpu = (
        (used - unused * seconds) / calls for used, unused in zip(usage, idle, strict=True)
    )
    return LiveKitGrantsResult(
        calls, seconds, worker_cpu, livekit_cpu, alone.livekit / (switches * clients), decided, permitted
    )


class _Usage(NamedTuple):
    """CPU seconds."""

    worker: float
    livekit: float


class _UsageMeter:
    """CPU usage of broadcast and of LiveKit."""

    def __init__(self, worker_pid: int, livekit_pid: int) -> None:
        self._meters = tuple(CpuMeter(None, None, pid) for pid in (worker_pid, livekit_pid))

    async def measure(self, work: Awaitable[T]) -> tuple[_Usage, T]:
        """Await the work; return the CPU seconds that it took, and its result."""
        before = [meter.read_usage().worker for meter in self._meters]
        result = await work
        after = [meter.read_usage().worker for meter in self._meters]
        return _Usage(*map(operator.sub, after, before)), result

    async def measure_idle(self) -> _Usage:
        """Return the CPU seconds used per second while nothing happens."""
        usage, _ = await self.measure(asyncio.sleep(_IDLE_SECONDS))
        return _Usage(*(seconds / _IDLE_SECONDS for seconds in usage))


@contextlib.asynccontextmanager
async def _run_services(run: BenchRun) -> AsyncIterator[worker.WorkerProcess]:
    """Run both services and return broadcast's process."""
    url = run.stack.livekit_url
    async with (
        worker.run_worker(dataclasses.replace(run, service="invitations")) as invitations,
        worker.run_worker(run, COHOST_LIVEKIT_URL=url) as broadcast,
    ):
        await asyncio.gather(invitations.wait_ready(), broadcast.wait_ready())
        yield broadcast


async def _switch_permissions(stack: Stack, guests: Sequence["_Guest"], count: int) -> None:
    async with api.LiveKitAPI(stack.livekit_url, stack.livekit_api_key, stack.livekit_api_secret) as livekit:
        await asyncio.gather(*(guest.switch_permission(livekit, count) for guest in guests))


class _Guest:
    """A client of LiveKit, alone in its room; the room's host invites it."""

    def __init__(self, client: cohost.Client, number: int) -> None:
        self._client = client
        self._room_id, self._host_id = f"room-{number}", f"host-{number}"
        self._user_id = f"guest-{number}"
        self._livekit_room = rtc.Room()
        self._changed = asyncio.Event()
        self._can_publish = False
        self._changed_at = 0.0
        self._livekit_room.on("participant_permissions_changed", self._on_permissions_changed)

    async def connect(self, stack: Stack) -> None:
        """Write the facts, create the LiveKit room, and join it as a viewer."""
        await self._client.set_room(
            RoomChanged(room_id=self._room_id, host_id=self._host_id, status="live", max_co_hosts=1)
        )
        for user_id in (self._host_id, self._user_id):
            await self._client.set_user(UserChanged(user_id=user_id, status="active"))
        key, secret = stack.livekit_api_key, stack.livekit_api_secret
        async with api.LiveKitAPI(stack.livekit_url, key, secret) as livekit:
            await livekit.room.create_room(api.CreateRoomRequest(name=self._room_id))
        grants = api.VideoGrants(
            room_join=True, room=self._room_id, can_publish=False, can_publish_data=False, can_subscribe=True
        )
        token = api.AccessToken(key, secret).with_identity(self._user_id).with_grants(grants).to_jwt()
        await self._livekit_room.connect(stack.livekit_url, token)

    async def disconnect(self) -> None:
        """Leave the LiveKit room."""
        await self._livekit_room.disconnect()

    async def run_cycles(self, count: int, pauses: Random | None = None) -> list[tuple[float, float]]:
        """Accept an invitation and leave the stage, `count` times.

        Returns the seconds until the outcome, and until the permission, of each acceptance.
        """
        times = []
        for _ in range(count):
            sent = await self._client.send_invitation(self._room_id, self._user_id, self._host_id)
            if pauses is not None:
                await asyncio.sleep(pauses.uniform(0, _LONGEST_PAUSE_SECONDS))
            began = time.monotonic()
            await self._client.accept_invitation(self._room_id, sent.data.invitation_id, self._user_id)
            decided = time.monotonic() - began
            await self._wait_permission(allowed=True)
            times.append((decided, self._changed_at - began))
            await self._client.leave_stage(self._room_id, self._user_id)
            await self._wait_permission(allowed=False)
        return times

    async def switch_permission(self, livekit: api.LiveKitAPI, count: int) -> None:
        """Grant and revoke the permission to publish by calls, `count` in all."""
        for number in range(count):
            permission = models.ParticipantPermission(can_subscribe=True, can_publish=number % 2 == 0)
            await livekit.room.update_participant(
                api.UpdateParticipantRequest(
                    room=self._room_id,
                    identity=self._user_id,
                    permission=permission,
                    attributes={"cohost.badge": "coHost" if number % 2 == 0 else ""},
                )
            )

    async def _wait_permission(self, *, allowed: bool) -> None:
        async with asyncio.timeout(_PERMISSION_SECONDS):
            while self._can_publish is not allowed:
                await self._changed.wait()
                self._changed.clear()

    def _on_permissions_changed(self, _: rtc.Participant, permissions: Any) -> None:
        # Not read from the participant, which has the permissions a moment before this is called.
        self._can_publish = permissions.can_publish
        self._changed_at = time.monotonic()
        self._changed.set()
