"""Participants of the demo: LiveKit clients that play a tone and recognise the tones of others."""

import asyncio
import contextlib
import time
from array import array
from collections.abc import Coroutine
from typing import Any

from livekit import rtc

from demo import tone
from stack import settings

_CONNECT_SECONDS = 10
_PUBLISH_SECONDS = 8
_LEAVE_SECONDS = 5


class DemoParticipant:
    """A participant with a LiveKit client.

    `heard_windows` maps the name of each audible participant to the number of windows of 100 ms with that
    participant's tone; `promoted_at` is the time, in `time.monotonic()`, at which LiveKit allowed the client
    to publish.
    """

    def __init__(self, name: str, pitches: dict[str, int]) -> None:
        self.name = name
        self.heard_windows: dict[str, int] = {}
        self.subscribed_to: set[str] = set()
        self.ever_subscribed_to: set[str] = set()
        self.promoted_at: float | None = None
        self.disconnect_reason: str | None = None
        self._pitches = pitches
        self._room: rtc.Room | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_connected(self) -> bool:
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

    async def connect(self, url: str, token: str) -> None:
        """Connect to LiveKit with a new client."""
        room = rtc.Room()
        room.on("participant_permissions_changed", self._on_permissions_changed)
        room.on("track_subscribed", self._on_track_subscribed)
        room.on("track_unsubscribed", self._on_track_unsubscribed)
        room.on("disconnected", self._on_disconnected)
        self.promoted_at = self.disconnect_reason = None
        self._room = room
        settings.bypass_proxies(url)
        async with asyncio.timeout(_CONNECT_SECONDS):
            await room.connect(url, token, rtc.RoomOptions(auto_subscribe=True, dynacast=False))

    async def publish_tone(self) -> None:
        """Publish the participant's own tone as microphone track until the client leaves."""
        if self._room is None:
            return
        # A track cannot be used again after its publication was refused or revoked.
        source = rtc.AudioSource(tone.SAMPLE_RATE, 1, queue_size_ms=200)
        track = rtc.LocalAudioTrack.create_audio_track(self.name, source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        async with asyncio.timeout(_PUBLISH_SECONDS):
            await self._room.local_participant.publish_track(track, options)
        self._start_task(self._send_frames(source))

    async def disconnect(self) -> None:
        """Disconnect, like a user who closes the window."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        room, self._room = self._room, None
        if room is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await room.disconnect()

    async def _send_frames(self, source: rtc.AudioSource) -> None:
        number = 0
        while self.is_connected:
            await source.capture_frame(tone.tone_frame(self._pitches[self.name], number))
            number += 1

    async def _detect_tone(self, track: rtc.Track, name: str) -> None:
        stream = rtc.AudioStream(track, sample_rate=tone.SAMPLE_RATE, num_channels=1)
        window = array("h")
        try:
            async for event in stream:
                window.frombytes(bytes(event.frame.data))
                if len(window) >= tone.WINDOW_SAMPLES:
                    if tone.contains_tone(window, self._pitches.get(name, 0)):
                        self.heard_windows[name] = self.heard_windows.get(name, 0) + 1
                    window = array("h")
        finally:
            await stream.aclose()

    def _on_permissions_changed(self, participant: rtc.Participant, permissions: Any) -> None:
        if self._room is not None and participant is self._room.local_participant and permissions.can_publish:
            self.promoted_at = self.promoted_at or time.monotonic()

    def _on_track_subscribed(
        self, track: rtc.Track, _: rtc.RemoteTrackPublication, by: rtc.RemoteParticipant
    ) -> None:
        self.subscribed_to.add(by.identity)
        self.ever_subscribed_to.add(by.identity)
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._start_task(self._detect_tone(track, by.identity))

    def _on_track_unsubscribed(
        self, _: rtc.Track, __: rtc.RemoteTrackPublication, by: rtc.RemoteParticipant
    ) -> None:
        self.subscribed_to.discard(by.identity)
        self.heard_windows.pop(by.identity, None)

    def _on_disconnected(self, reason: Any) -> None:
        self.disconnect_reason = rtc.DisconnectReason.Name(reason)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
