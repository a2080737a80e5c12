"""A fake of LiveKit's room service, as a process of its own: it answers like LiveKit, after a delay.

    python -m bench.fake_livekit.server
        '{"port": 7880, "rooms": ["a"], "seed": 1, "seconds": 0.005, "jitter": 0.002}'

Every requested participant exists. It answers each line on standard input with a line of JSON that lists all
calls so far, and exits at the end of input. It keeps HTTP/1.1 connections and implements only as much of HTTP
as its one client needs: a complete server would use CPU time that the measured processes need.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from livekit import api
from livekit.protocol import models, room

ADDRESS = "127.0.0.1"

_NOT_FOUND = b'{"code":"not_found","msg":"there is nobody of that name"}'
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\nContent-Length: %d\r\n\r\n%b"
_ABSENT = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


@dataclass(slots=True)
class FakeParticipant:
    """A participant of a room; `answered` holds the time of each answered update, in `time.monotonic()`."""

    info: models.ParticipantInfo
    updates_in_progress: int = 0
    answered_at: list[float] = field(default_factory=list)


class FakeRoomService:
    """Rooms and their participants."""

    def __init__(self, rooms: Iterable[str]) -> None:
        self._rooms: dict[str, dict[str, FakeParticipant]] = {name: {} for name in rooms}
        self._overlaps = 0
        self._calls: Counter[str] = Counter()
        self._methods: Mapping[str, Callable[[bytes], tuple[bytes | None, FakeParticipant | None]]] = {
            "UpdateParticipant": self._update,
            "GetParticipant": self._get,
            "ListRooms": self._list_rooms,
            "ListParticipants": self._list_participants,
        }

    def handle_call(self, method: str, body: bytes) -> tuple[bytes | None, FakeParticipant | None]:
        """Handle a call; return its answer, None if not found, and the participant that it updates."""
        self._calls[method] += 1
        return self._methods[method](body) if method in self._methods else (None, None)

    def update_answered(self, updated: FakeParticipant) -> None:
        """Record that an update is answered."""
        updated.updates_in_progress -= 1
        updated.answered_at.append(time.monotonic())

    def describe_state(self) -> dict[str, Any]:
        """Return the calls so far; `participants` holds room, identity, permissions, and times of answers."""
        return {
            "calls": self._calls,
            "overlaps": self._overlaps,
            "participants": [
                [name, identity, _permission_names(each.info.permission), each.answered_at]
                for name, there in self._rooms.items()
                for identity, each in there.items()
            ],
        }

    def _update(self, body: bytes) -> tuple[bytes, FakeParticipant]:
        request = api.UpdateParticipantRequest.FromString(body)
        participants = self._rooms.setdefault(request.room, {})
        if request.identity not in participants:
            participants[request.identity] = FakeParticipant(_new_participant(request.room, request.identity))
        participant = participants[request.identity]
        self._overlaps += participant.updates_in_progress > 0
        participant.updates_in_progress += 1
        participant.info.permission.CopyFrom(request.permission)
        participant.info.attributes.update(request.attributes)
        return participant.info.SerializeToString(), participant

    def _get(self, body: bytes) -> tuple[bytes | None, None]:
        wanted = api.RoomParticipantIdentity.FromString(body)
        found = self._rooms.get(wanted.room, {}).get(wanted.identity)
        return (found.info.SerializeToString() if found is not None else None), None

    def _list_rooms(self, body: bytes) -> tuple[bytes, None]:
        names = api.ListRoomsRequest.FromString(body).names or self._rooms
        there = [models.Room(name=name, sid=f"RM_{name}") for name in names if name in self._rooms]
        return room.ListRoomsResponse(rooms=there).SerializeToString(), None

    def _list_participants(self, body: bytes) -> tuple[bytes, None]:
        there = self._rooms.get(api.ListParticipantsRequest.FromString(body).room, {})
        listed = room.ListParticipantsResponse(participants=[each.info for each in there.values()])
        return listed.SerializeToString(), None


class ClientConnection(asyncio.Protocol):
    """One client's connection: one request at a time, each answered after `delay()` seconds."""

    def __init__(self, service: FakeRoomService, delay: Callable[[], float]) -> None:
        self._service = service
        self._delay = delay
        self._transport: asyncio.WriteTransport
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - TCP's is
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Buffer the data and handle the request once it is complete."""
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        if found and len(rest) >= (length := _content_length(head)):
            self._read = rest[length:]
            self._handle_request(head, rest[:length])

    def _handle_request(self, head: bytes, body: bytes) -> None:
        method = head.split(b" ", 2)[1].rpartition(b"/")[2].decode()
        answer, updated = self._service.handle_call(method, body)
        asyncio.get_running_loop().call_later(self._delay(), self._write_answer, answer, updated)

    def _write_answer(self, answer: bytes | None, updated: FakeParticipant | None) -> None:
        body = _NOT_FOUND if answer is None else answer
        self._transport.write((_ABSENT if answer is None else _OK) % (len(body), body))
        if updated is not None:
            self._service.update_answered(updated)


async def run_server(port: int, rooms: Iterable[str], seed: int, seconds: float, jitter: float) -> None:
    """Serve until standard input ends; `seconds` ± `jitter` is the delay of an answer."""
    service = FakeRoomService(rooms)
    random = Random(seed)  # noqa: S311 - a network's whims
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ClientConnection(service, lambda: random.uniform(seconds - jitter, seconds + jitter)),
        ADDRESS,
        port,
    )
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with server:
        while await lines.readline():
            sys.stdout.write(f"{json.dumps(service.describe_state())}\n")
            sys.stdout.flush()


def _new_participant(name: str, identity: str) -> models.ParticipantInfo:
    return models.ParticipantInfo(
        identity=identity,
        sid=f"PA_{name}_{identity}",
        state=models.ParticipantInfo.State.ACTIVE,
        permission=models.ParticipantPermission(can_subscribe=True),
    )


def _permission_names(permission: models.ParticipantPermission) -> list[str]:
    """Return the granted permissions and sources, by LiveKit's names."""
    names = [descriptor.name for descriptor, value in permission.ListFields() if value is True]
    return names + [models.TrackSource.Name(source) for source in permission.can_publish_sources]


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run_server(**json.loads(sys.argv[1])))
