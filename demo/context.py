"""Context of the demo: its participants, its environment, and the actions that the steps share."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
from livekit import api, rtc
from livekit.rtc.participant import PublishTrackError

import cohost
from cohost import tokens
from cohost.http_reader import HttpReader
from cohost_schemas.answers import BroadcastData, CoHost
from cohost_schemas.facts import RoomChanged, UserChanged
from demo.claims import Claim, ClaimList
from demo.participants import DemoParticipant
from demo.show_client import DemoEnvironment, ShowClient
from demo.timeline import NotObserved, Timeline

ROOM = "evening-show"
HOST = "alice"
VIEWERS = ("bob", "carol", "dave", "erin", "mallory")
ABSENT = "frank"
LABELS = {"bob": "Guitar", "carol": "Vocals", "frank": "Drums"}
PITCHES = {"bob": 440, "carol": 550, "frank": 660, "mallory": 880}

_SECONDS = 60
_LOOK_SECONDS = 0.02


class DemoContext:
    """State and actions that the steps share."""

    def __init__(self, environment: DemoEnvironment, client: ShowClient, timeline: Timeline) -> None:
        self.environment = environment
        self.client = client
        self.timeline = timeline
        self._resources = contextlib.AsyncExitStack()
        self.claims = ClaimList()
        self.participants = {name: DemoParticipant(name, PITCHES) for name in (HOST, *VIEWERS, ABSENT)}
        self.invitations: dict[str, str] = {}

    async def publish_users(self) -> None:
        """Publish a fact for every user."""
        for name in self.participants:
            await self.client.set_user(UserChanged(user_id=name, status="active"))

    async def publish_room(self, status: Any) -> None:
        """Publish the room's status."""
        await self.client.set_room(RoomChanged(room_id=ROOM, host_id=HOST, status=status))

    async def follow_room(self) -> None:
        """Record the room's events and badges from now on, until the show is closed."""
        await self._resources.enter_async_context(self.client.follow_room(ROOM, self.timeline))

    async def wait_until_read(
        self, is_read: Callable[[HttpReader], Coroutine[Any, Any, bool]], description: str
    ) -> None:
        """Wait until the host reads what is awaited. Raises `NotObserved` with the description."""
        async with self._open_reader(HOST) as reads:
            try:
                async with asyncio.timeout(_SECONDS):
                    while not await _is_read_by_now(is_read(reads)):
                        await asyncio.sleep(_LOOK_SECONDS)
            except TimeoutError:
                msg = f"not within {_SECONDS} s: {description}"
                raise NotObserved(msg) from None

    async def fetch_broadcast_data(self, name: str, *, as_viewer: bool = False) -> BroadcastData:
        """Return the broadcast data of a participant: the LiveKit URL, a token, and the role."""
        async with self._open_reader(name) as reads:
            return await reads.broadcast_data(ROOM, as_viewer=as_viewer)

    async def fetch_co_hosts(self) -> tuple[CoHost, ...]:
        """Return the co-hosts in their speaking order."""
        async with self._open_reader(HOST) as reads:
            return await reads.co_hosts(ROOM)

    async def join_room(self, name: str, *, as_viewer: bool = False) -> BroadcastData:
        """Connect a participant to LiveKit with new broadcast data."""
        data = await self.fetch_broadcast_data(name, as_viewer=as_viewer)
        await self.participants[name].connect(data.server_url, data.token)
        return data

    async def invite_user(self, name: str, expires_in_seconds: int = 300) -> str:
        """Invite a user and return the invitation's id."""
        sent = await self.client.send_invitation(
            ROOM, name, HOST, expires_in_seconds=expires_in_seconds, label=LABELS.get(name)
        )
        self.invitations[name] = sent.command_id
        return sent.command_id

    async def accept_invitation(self, name: str) -> float:
        """Accept the user's last invitation; return the time of sending, in `time.monotonic()`."""
        began = time.monotonic()
        await self.client.accept_invitation(ROOM, self.invitations[name], name)
        return began

    async def promote_user(self, name: str) -> float:
        """Invite a connected user, who sees it and accepts; return the ms from command to permission."""
        await self.client.mark_invitation_seen(ROOM, await self.invite_user(name), name)
        person = self.participants[name]
        person.promoted_at = None
        began = await self.accept_invitation(name)
        await wait_until(lambda: person.promoted_at is not None, f"{name} may publish")
        await self.timeline.wait_for_event("GrantProvisioned", name, mode="in_place")
        return 1000 * ((person.promoted_at or began) - began)

    async def play_until_heard(self, name: str, windows: int = 5) -> None:
        """Play a participant's tone until the host has heard it in `windows` windows of 100 ms."""
        host = self.participants[HOST]
        host.heard_windows.pop(name, None)
        await self.participants[name].publish_tone()
        await wait_until(lambda: host.heard_windows.get(name, 0) >= windows, f"{HOST} hears {name}'s tone")

    async def wait_until_silent(self, name: str) -> None:
        """Wait until the host has no track of the participant any more."""
        host = self.participants[HOST]
        await wait_until(lambda: name not in host.subscribed_to, f"{name}'s track disappears for {HOST}")

    async def wait_room_deleted(self) -> None:
        """Wait until the room is deleted on LiveKit. Raises `NotObserved`."""
        async with self.open_livekit_api() as livekit:
            deadline = time.monotonic() + _SECONDS
            while (await livekit.room.list_rooms(api.ListRoomsRequest(names=[ROOM]))).rooms:
                if time.monotonic() > deadline:
                    msg = f"not within {_SECONDS} s: the room is deleted on LiveKit"
                    raise NotObserved(msg)
                await asyncio.sleep(_LOOK_SECONDS)

    @contextlib.asynccontextmanager
    async def open_livekit_api(self) -> AsyncIterator[api.LiveKitAPI]:
        """Open LiveKit's server API, with the server's key."""
        environment = self.environment
        async with api.LiveKitAPI(
            environment.livekit_url, environment.livekit_key, environment.livekit_secret
        ) as opened:
            yield opened

    async def close(self) -> None:
        """Disconnect every participant, and record no more events."""
        await asyncio.gather(*(person.disconnect() for person in self.participants.values()))
        await self._resources.aclose()

    @contextlib.asynccontextmanager
    async def _open_reader(self, name: str) -> AsyncIterator[HttpReader]:
        urls = self.client.read_urls(self.environment)
        reads = HttpReader(*urls, tokens.sign(self.environment.jwt_secret, name), _SECONDS)
        try:
            yield reads
        finally:
            await reads.close()


Step = Callable[[DemoContext], Coroutine[Any, Any, None]]

_STEP_ERRORS = (
    NotObserved,
    TimeoutError,
    cohost.Rejected,
    cohost.OutcomeUnknown,
    cohost.NotConfirmed,
    cohost.ProblemError,
    httpx.HTTPError,
    api.ServerError,
    rtc.ConnectError,
    PublishTrackError,
)


async def run_steps(context: DemoContext, steps: tuple[Step, ...]) -> None:
    """Run the steps one after the other; only a failure of the first one ends the demo."""
    for step in steps:
        try:
            await step(context)
        except _STEP_ERRORS as trouble:
            context.timeline.print_failure(f"{type(trouble).__name__}: {trouble}")
            if step is steps[0]:
                return


async def verify_outcomes(context: DemoContext) -> None:
    """Look at every command's outcome once more."""
    context.timeline.print_step("every command's outcome is looked at once more")
    report = await context.client.verify_outcomes()
    for violation in report.violations:
        context.timeline.print_failure(violation)
    if not report.violations and report.evidence:
        context.claims.mark_verified(Claim.AUDITED, report.evidence)


async def _is_read_by_now(reading: Coroutine[Any, Any, bool]) -> bool:
    try:
        return await reading
    except cohost.ProblemError as problem:
        if problem.reason == "room_not_found":
            return False
        raise


async def wait_until(condition: Callable[[], bool], description: str) -> None:
    """Wait until the condition is true. Raises `NotObserved` with the description."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            msg = f"not within {_SECONDS} s: {description}"
            raise NotObserved(msg)
        await asyncio.sleep(_LOOK_SECONDS)
