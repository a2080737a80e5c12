"""Timeline of the demo: steps and events, printed with their times as they happen."""

import asyncio
import sys
import time
from typing import NamedTuple

import cohost
from cohost_schemas import envelope
from cohost_schemas.types import Message

_SECONDS = 20
_WIDTH = 100
_COLOURS = {
    "invitations.events": "36",
    "broadcast.events": "32",
    "badges": "35",
    "invitations.rejections": "33",
    "told": "1",
    "right": "32",
    "wrong": "1;31",
}
_CLOSING_FIELDS = ("close_reason",)
_SEAT_END_FIELDS = ("reason", "mode")
_DETAILS: dict[str, tuple[str, ...]] = {
    "StageChanged": ("status",),
    "InvitationSent": ("expires_at", "label", "previous_invitation_id"),
    "InvitationResent": ("times_sent", "expires_at"),
    "InvitationSeen": ("label",),
    "InvitationAccepted": ("invitation_id",),
    "InvitationDeclined": _CLOSING_FIELDS,
    "InvitationCancelled": _CLOSING_FIELDS,
    "InvitationExpired": _CLOSING_FIELDS,
    "CoHostLeft": _SEAT_END_FIELDS,
    "StageArranged": ("user_ids",),
    "GrantProvisioned": ("mode",),
    "GrantRevoked": _SEAT_END_FIELDS,
    "GrantFailed": ("error",),
    "CoHostDisconnected": ("grace_ends_at",),
    "CoHostMuted": ("source",),
    "CoHostMediaChanged": ("published", "muted"),
    "ParticipantQualityChanged": ("quality",),
    "RecordingFinished": ("status",),
    "IntruderRemoved": ("action",),
    "BadgeChanged": ("badge",),
}
_PHRASES = {
    "expires_at": "until ",
    "label": "as ",
    "times_sent": "number ",
    "previous_invitation_id": "after the invitation ",
    "invitation_id": "the invitation ",
    "grace_ends_at": "the seat is kept until ",
    "published": "publishes ",
    "muted": "muted ",
}


class NotObserved(Exception):
    """Something did not happen in time; the message names it."""


class ObservedEvent(NamedTuple):
    """An observed event. A removed badge has no data."""

    name: str
    user_id: str
    data: Message | None

    def is_match(self, name: str, user_id: str | None, fields: dict[str, object]) -> bool:
        """Return whether the event has this name, user and fields; None stands for any user."""
        return (
            self.name == name
            and user_id in (None, self.user_id)
            and all(getattr(self.data, field, None) == value for field, value in fields.items())
        )


class Timeline:
    """Prints events and remembers them."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._coloured = sys.stdout.isatty()
        self._events: list[ObservedEvent] = []
        self._changed = asyncio.Condition()

    def print_step(self, text: str) -> None:
        """Print the heading of a step."""
        self._print("told", f"\n{self._elapsed()}  {text}")

    def print_success(self, text: str) -> None:
        """Print an observation other than an event."""
        self._print("right", f"{self._elapsed()}    {text}")

    def print_failure(self, text: str) -> None:
        """Print a failure."""
        self._print("wrong", f"{self._elapsed()}  !! {text}")

    def print_lines(self, lines: list[tuple[bool, str]]) -> None:
        """Print lines in green, or in red where the flag is false."""
        for right, line in lines:
            self._print("right" if right else "wrong", line)

    def print_rejection(self, rejected: cohost.Rejected) -> None:
        """Print a rejection, which is an outcome of a command but no event."""
        current = "" if rejected.current is None else f", it is {rejected.current.status}"
        self._print(
            "invitations.rejections", self._format_line("CommandRejected", "", rejected.reason + current)
        )

    async def follow_events(self, events: cohost.Stream[cohost.Event]) -> None:
        """Record events until cancelled."""
        async for event in events:
            await self.record_event(event.topic, event.envelope.type, event.data)

    async def follow_badges(self, badges: cohost.Stream[cohost.Badge]) -> None:
        """Record badges until cancelled."""
        async for badge in badges:
            await self.record_badge(badge.user_id, badge.data)

    async def record_event(self, topic: str, event_type: str, data: Message | None) -> None:
        """Record an event, given its CloudEvent type."""
        name = envelope.model_name(event_type)
        await self._record(topic, ObservedEvent(name, getattr(data, "user_id", None) or "", data))

    async def record_badge(self, user_id: str, data: Message | None) -> None:
        """Record a user's badge; without data it was removed."""
        name = "BadgeChanged" if data is not None else "(badge removed)"
        await self._record("badges", ObservedEvent(name, user_id, data))

    async def wait_for_event(self, name: str, user_id: str | None = None, **fields: object) -> Message | None:
        """Wait for a past or future event and return its data. Raises `NotObserved`."""
        try:
            async with asyncio.timeout(_SECONDS), self._changed:
                while (found := self._find(name, user_id, fields)) is None:
                    await self._changed.wait()
                return found.data
        except TimeoutError:
            wanted = " ".join([name, user_id or "", *(f"{field}={value}" for field, value in fields.items())])
            msg = f"no {wanted} within {_SECONDS} s"
            raise NotObserved(msg) from None

    def _find(self, name: str, user_id: str | None, fields: dict[str, object]) -> ObservedEvent | None:
        return next((seen for seen in self._events if seen.is_match(name, user_id, fields)), None)

    async def _record(self, topic: str, event: ObservedEvent) -> None:
        self._print(topic, self._format_line(event.name, event.user_id, _format_details(event)))
        async with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def _format_line(self, name: str, user_id: str, details: str) -> str:
        return f"{self._elapsed()}    {name:<21} {user_id:<8} {details}"

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:+8.3f} s"

    def _print(self, kind: str, line: str) -> None:
        text = "\n".join(part.rstrip()[:_WIDTH] for part in line.split("\n"))
        print(f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self._coloured else text, flush=True)  # noqa: T201 - the show


def _format_details(event: ObservedEvent) -> str:
    fields = _DETAILS.get(event.name, ())
    found = {field: value for field in fields if (value := getattr(event.data, field, None)) is not None}
    return ", ".join(_PHRASES.get(field, "") + _format_value(value) for field, value in found.items())


def _format_value(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(str, value)) or "nothing"
    return _shorten(str(value))


def _shorten(value: str) -> str:
    if value[10:11] == "T" and value.endswith("Z"):
        return value[11:19]
    return f"…{value[-4:]}" if len(value) == len("00000000-0000-7000-8000-000000000000") else value
