"""Participants of the demo: LiveKit clients that play a tone and recognise the tones of others."""

import asyncio
import contextlib
import time
from array import array
from collections.abc import Coroutine
from typing import Any

from livekit import rtc

from demo import tone

_CONNECT_SECONDS = 10
_PUBLISH_SECONDS = 8
_LEAVE_SECONDS = 5


class Person:
    """A participant with a LiveKit client.

    `heard_windows` maps the name of each audible participant to the number of windows of 100 ms with that
    participant's tone; `promoted_at` is the time, in `time.monotonic()`, at which LiveKit allowed the client
    to publish.
    """

    def __init__(self, name: str, ears: dict[str, int]) -> None:
        self.name = name
        self.hears: dict[str, int] = {}
        self.sees: set[str] = set()
        self.has_seen: set[str] = set()
        self.promoted_at: float | None = None
        self.dismissed: str | None = None
        self._ears = ears
        self._room: rtc.Room | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether the client is connected to the room."""
        return self._room is not None and self._room.isconnected()

    @property
    def may_publish(self) -> bool:
        """Whether LiveKit allows the client to publish."""
        return self._room is not None and self._room.local_participant.permissions.can_publish

    @property
    def badge(self) -> str:
        """The badge in the participant's LiveKit attributes, or an empty string."""
        return "" if self._room is None else self._room.local_participant.attributes.get("cohost.badge", "")

    async def join(self, url: str, token: str) -> None:
        """Connect to LiveKit with a new client."""
        room = rtc.Room()
        room.on("participant_permissions_changed", self._permitted)
        room.on("track_subscribed", self._subscribed)
        room.on("track_unsubscribed", self._unsubscribed)
        room.on("disconnected", self._disconnected)
        self.promoted_at = self.dismissed = None
        self._room = room
        async with asyncio.timeout(_CONNECT_SECONDS):
            await room.connect(url, token, rtc.RoomOptions(auto_subscribe=True, dynacast=False))

    async def play(self) -> None:
        """Publish the participant's own tone as microphone track until the client leaves."""
        if self._room is None:
            return
        # A track cannot be used again after its publication was refused or revoked.
        source = rtc.AudioSource(tone.RATE, 1, queue_size_ms=200)
        track = rtc.LocalAudioTrack.create_audio_track(self.name, source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        async with asyncio.timeout(_PUBLISH_SECONDS):
            await self._room.local_participant.publish_track(track, options)
        self._spawn(self._sing(source))

    async def leave(self) -> None:
        """Disconnect, like a user who closes the window."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        room, self._room = self._room, None
        if room is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await room.disconnect()

    async def _sing(self, source: rtc.AudioSource) -> None:
        number = 0
        while self.connected:
            await source.capture_frame(tone.frame(self._ears[self.name], number))
            number += 1

    async def _listen(self, track: rtc.Track, name: str) -> None:
        stream = rtc.AudioStream(track, sample_rate=tone.RATE, num_channels=1)
        window = array("h")
        try:
            async for event in stream:
                window.frombytes(bytes(event.frame.data))
                if len(window) >= tone.WINDOW:
                    if tone.holds(window, self._ears.get(name, 0)):
                        self.hears[name] = self.hears.get(name, 0) + 1
                    window = array("h")
        finally:
            await stream.aclose()

    def _permitted(self, participant: rtc.Participant, permissions: Any) -> None:
        if self._room is not None and participant is self._room.local_participant and permissions.can_publish:
            self.promoted_at = self.promoted_at or time.monotonic()

    def _subscribed(self, track: rtc.Track, _: rtc.RemoteTrackPublication, by: rtc.RemoteParticipant) -> None:
        self.sees.add(by.identity)
        self.has_seen.add(by.identity)
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._spawn(self._listen(track, by.identity))

    def _unsubscribed(self, _: rtc.Track, __: rtc.RemoteTrackPublication, by: rtc.RemoteParticipant) -> None:
        self.sees.discard(by.identity)
        self.hears.pop(by.identity, None)

    def _disconnected(self, reason: Any) -> None:
        self.dismissed = rtc.DisconnectReason.Name(reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
