"""Context of the demo: its participants, its environment, and the actions that the steps share."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import httpx
from livekit import api, rtc
from livekit.rtc.participant import PublishTrackError

import cohost
from cohost import tokens
from cohost.http_reader import HttpReader
from cohost_schemas.answers import BroadcastData
from cohost_schemas.facts import RoomChanged, UserChanged
from demo.claims import Claims
from demo.people import Person
from demo.timeline import Missing, Timeline

ROOM = "evening-show"
HOST = "alice"
VIEWERS = ("bob", "carol", "dave", "erin", "mallory")
ABSENT = "frank"
PITCHES = {"bob": 440, "carol": 550, "frank": 660, "mallory": 880}

_SECONDS = 20
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class House:
    """Addresses and secrets of the servers and services."""

    kafka: str
    invitations_url: str
    broadcast_url: str
    jwt_secret: str
    livekit_url: str
    livekit_key: str
    livekit_secret: str


class Show:
    """State and actions that the steps share."""

    def __init__(self, house: House, client: cohost.Client, timeline: Timeline) -> None:
        self.house = house
        self.client = client
        self.timeline = timeline
        self.claims = Claims()
        self.people = {name: Person(name, PITCHES) for name in (HOST, *VIEWERS, ABSENT)}
        self.invitations: dict[str, str] = {}

    async def tell(self) -> None:
        """Publish a fact for every user."""
        for name in self.people:
            await self.client.set_user(UserChanged(user_id=name, status="active"))

    async def room(self, status: Any) -> None:
        """Publish the room's status."""
        await self.client.set_room(RoomChanged(room_id=ROOM, host_id=HOST, status=status))

    async def data(self, name: str, *, as_viewer: bool = False) -> BroadcastData:
        """Return the broadcast data of a participant: the LiveKit URL, a token, and the role."""
        token = tokens.sign(self.house.jwt_secret, name)
        reads = HttpReader(self.house.invitations_url, self.house.broadcast_url, token, _SECONDS)
        try:
            return await reads.broadcast_data(ROOM, as_viewer=as_viewer)
        finally:
            await reads.close()

    async def join(self, name: str, *, as_viewer: bool = False) -> BroadcastData:
        """Connect a participant to LiveKit with new broadcast data."""
        data = await self.data(name, as_viewer=as_viewer)
        await self.people[name].join(data.server_url, data.token)
        return data

    async def invite(self, name: str, expires_in_seconds: int = 300) -> str:
        """Invite a user and return the invitation's id."""
        sent = await self.client.send_invitation(ROOM, name, HOST, expires_in_seconds=expires_in_seconds)
        self.invitations[name] = sent.command_id
        return sent.command_id

    async def accept(self, name: str) -> float:
        """Accept the user's last invitation; return the time of sending, in `time.monotonic()`."""
        began = time.monotonic()
        await self.client.accept_invitation(ROOM, self.invitations[name], name)
        return began

    async def promote(self, name: str) -> float:
        """Invite a connected user, accept, and return the milliseconds from command to permission."""
        await self.invite(name)
        person = self.people[name]
        person.promoted_at = None
        began = await self.accept(name)
        await until(lambda: person.promoted_at is not None, f"{name} may publish")
        await self.timeline.saw("GrantProvisioned", name, mode="in_place")
        return 1000 * ((person.promoted_at or began) - began)

    async def plays(self, name: str, windows: int = 5) -> None:
        """Play a participant's tone until the host has heard it in `windows` windows of 100 ms."""
        host = self.people[HOST]
        host.hears.pop(name, None)
        await self.people[name].play()
        await until(lambda: host.hears.get(name, 0) >= windows, f"{HOST} hears {name}'s tone")

    async def falls_silent(self, name: str) -> None:
        """Wait until the host has no track of the participant any more."""
        host = self.people[HOST]
        await until(lambda: name not in host.sees, f"{name}'s track disappears for {HOST}")

    async def room_gone(self) -> None:
        """Wait until the room is deleted on LiveKit. Raises `NotObserved`."""
        async with self.livekit() as livekit:
            deadline = time.monotonic() + _SECONDS
            while (await livekit.room.list_rooms(api.ListRoomsRequest(names=[ROOM]))).rooms:
                if time.monotonic() > deadline:
                    msg = f"not within {_SECONDS} s: the room is deleted on LiveKit"
                    raise Missing(msg)
                await asyncio.sleep(_LOOK_SECONDS)

    @contextlib.asynccontextmanager
    async def livekit(self) -> AsyncIterator[api.LiveKitAPI]:
        """Open LiveKit's server API, with the server's key."""
        house = self.house
        async with api.LiveKitAPI(house.livekit_url, house.livekit_key, house.livekit_secret) as opened:
            yield opened

    async def close(self) -> None:
        """Disconnect every participant."""
        await asyncio.gather(*(person.leave() for person in self.people.values()))


Scene = Callable[[Show], Coroutine[Any, Any, None]]

_TROUBLE = (
    Missing,
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


async def play(show: Show, scenes: tuple[Scene, ...]) -> None:
    """Run the steps one after the other; only a failure of the first one ends the demo."""
    for scene in scenes:
        try:
            await scene(show)
        except _TROUBLE as trouble:
            show.timeline.wrong(f"{type(trouble).__name__}: {trouble}")
            if scene is scenes[0]:
                return


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition is true. Raises `NotObserved` with the description."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            msg = f"not within {_SECONDS} s: {what}"
            raise Missing(msg)
        await asyncio.sleep(_LOOK_SECONDS)
