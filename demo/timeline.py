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
_CLOSING = ("close_reason",)
_SEAT_ENDS = ("reason", "mode")
_DETAILS: dict[str, tuple[str, ...]] = {
    "StageChanged": ("status",),
    "InvitationSent": ("expires_at", "previous_invitation_id"),
    "InvitationAccepted": ("invitation_id",),
    "InvitationDeclined": _CLOSING,
    "InvitationCancelled": _CLOSING,
    "InvitationExpired": _CLOSING,
    "CoHostLeft": _SEAT_ENDS,
    "GrantProvisioned": ("mode",),
    "GrantRevoked": _SEAT_ENDS,
    "GrantFailed": ("error",),
    "CoHostDisconnected": ("grace_ends_at",),
    "CoHostMuted": ("source",),
    "IntruderRemoved": ("action",),
    "BadgeChanged": ("badge",),
}
_SPOKEN = {
    "expires_at": "until ",
    "previous_invitation_id": "after the invitation ",
    "invitation_id": "the invitation ",
    "grace_ends_at": "the seat is kept until ",
}


class Missing(Exception):
    """Something did not happen in time; the text says what."""


class Seen(NamedTuple):
    """An observed event. A removed badge has no data."""

    name: str
    who: str
    data: Message | None

    def matches(self, name: str, who: str | None, fields: dict[str, object]) -> bool:
        """Return whether the event has this name, user and fields; None stands for any user."""
        return (
            self.name == name
            and who in (None, self.who)
            and all(getattr(self.data, field, None) == value for field, value in fields.items())
        )


class Timeline:
    """Prints events and remembers them."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._coloured = sys.stdout.isatty()
        self._seen: list[Seen] = []
        self._grown = asyncio.Condition()

    def say(self, text: str) -> None:
        """Print the heading of a step."""
        self._print("told", f"\n{self._time()}  {text}")

    def right(self, text: str) -> None:
        """Print an observation other than an event."""
        self._print("right", f"{self._time()}    {text}")

    def wrong(self, text: str) -> None:
        """Print a failure."""
        self._print("wrong", f"{self._time()}  !! {text}")

    def lines(self, lines: list[tuple[bool, str]]) -> None:
        """Print lines in green, or in red where the flag is false."""
        for right, line in lines:
            self._print("right" if right else "wrong", line)

    def refused(self, rejected: cohost.Rejected) -> None:
        """Print a rejection, which is an outcome of a command but no event."""
        current = "" if rejected.current is None else f", it is {rejected.current.status}"
        self._print("invitations.rejections", self._line("CommandRejected", "", rejected.reason + current))

    async def follow_events(self, events: cohost.Stream[cohost.Event]) -> None:
        """Record events until cancelled."""
        async for event in events:
            name = envelope.model_name(event.envelope.type)
            await self._take(event.topic, Seen(name, getattr(event.data, "user_id", ""), event.data))

    async def follow_badges(self, badges: cohost.Stream[cohost.Badge]) -> None:
        """Record badges until cancelled."""
        async for badge in badges:
            name = "BadgeChanged" if badge.data is not None else "(badge removed)"
            await self._take("badges", Seen(name, badge.user_id, badge.data))

    async def saw(self, name: str, who: str | None = None, **fields: object) -> Message | None:
        """Wait for a past or future event and return its data. Raises `NotObserved`."""
        try:
            async with asyncio.timeout(_SECONDS), self._grown:
                while (found := self._find(name, who, fields)) is None:
                    await self._grown.wait()
                return found.data
        except TimeoutError:
            wanted = " ".join([name, who or "", *(f"{field}={value}" for field, value in fields.items())])
            msg = f"no {wanted} within {_SECONDS} s"
            raise Missing(msg) from None

    def _find(self, name: str, who: str | None, fields: dict[str, object]) -> Seen | None:
        return next((seen for seen in self._seen if seen.matches(name, who, fields)), None)

    async def _take(self, topic: str, seen: Seen) -> None:
        self._print(topic, self._line(seen.name, seen.who, _details(seen)))
        async with self._grown:
            self._seen.append(seen)
            self._grown.notify_all()

    def _line(self, name: str, who: str, details: str) -> str:
        return f"{self._time()}    {name:<21} {who:<8} {details}"

    def _time(self) -> str:
        return f"{time.monotonic() - self._began:+8.3f} s"

    def _print(self, kind: str, line: str) -> None:
        text = "\n".join(part.rstrip()[:_WIDTH] for part in line.split("\n"))
        print(f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self._coloured else text, flush=True)  # noqa: T201 - the show


def _details(seen: Seen) -> str:
    fields = _DETAILS.get(seen.name, ())
    found = {field: value for field in fields if (value := getattr(seen.data, field, None)) is not None}
    return ", ".join(_SPOKEN.get(field, "") + _short(str(value)) for field, value in found.items())


def _short(value: str) -> str:
    if value[10:11] == "T" and value.endswith("Z"):
        return value[11:19]
    return f"…{value[-4:]}" if len(value) == len("00000000-0000-7000-8000-000000000000") else value
