"""Records that invitations cannot take as they are."""

from typing import Any

from tests.golden.invitations_log import COMMANDS, HOST, Platform
from tests.golden.script import cloud_event


def commands(script: Platform) -> None:
    room = "room-7"
    sound = {"roomId": room, "userId": "dave", "actorId": HOST}
    for data in (
        {**sound, "extra": 1},
        {**sound, "userId": None, "message": None},
        {**sound, "userId": "x" * 65},
        {**sound, "userId": "no spaces"},
        {**sound, "actorId": 7},
        {**sound, "expiresInSeconds": 9},
        {**sound, "expiresInSeconds": "60"},
        {**sound, "message": "x" * 281},
        {**sound, "message": "\0"},
        {**sound, "roomId": "room-1"},
        {"userId": "dave", "roomId": "no room", "invitationId": "i-1", "actorId": HOST},
        [1, 2],
        "text",
        None,
    ):
        script.put(COMMANDS, room, cloud_event("SendInvitation", script.id(), room, data))
    release = {"roomId": room, "userId": "dave", "invitationId": "i-1", "reason": "boredom"}
    script.put(COMMANDS, room, cloud_event("ReleaseSeat", script.id(), room, release))
    _broken_envelopes(script, room, sound)
    _no_cloud_events(script, room, sound)


def _broken_envelopes(script: Platform, room: str, sound: dict[str, Any]) -> None:
    def event(id_: str | None = None, subject: str | None = room, **more: Any) -> Any:
        return cloud_event("SendInvitation", id_ or script.id(), subject, sound, **more)

    script.put(COMMANDS, room, event(type="com.example.Other"))
    script.put(COMMANDS, room, event(type="cohost." + "x" * 300))
    script.put(COMMANDS, room, event(), partition=1)
    script.put(COMMANDS, room, event(subject=None))
    script.put(COMMANDS, room, event(subject=None), partition=2)
    script.put(COMMANDS, None, event(subject=None))
    script.put(COMMANDS, None, event())
    script.put(COMMANDS, "room-1", event())
    script.put(COMMANDS, b"\xff\xfe", event())
    script.put(COMMANDS, "k" * 300, event(subject=None))
    script.put(COMMANDS, room, event(subject="s" * 300))
    script.put(COMMANDS, room, event('no "id"'))
    script.put(COMMANDS, room, event(correlationid="c" * 300, traceparent="t" * 600, tracestate="s"))
    script.put(COMMANDS, room, event(traceparent="00-1-2-03", tracestate="s" * 600, unknown=True))
    binary = {"specversion": "1.0", "id": "binary-1", "source": "/p", "type": "cohost.SendInvitation.v1"}
    for headers in ({**binary, "subject": room}, {**binary, "id": "binary-2"}):
        marks = [(f"ce_{name}", text.encode()) for name, text in headers.items()]
        script.put(COMMANDS, room, sound, headers=[*marks, ("content-type", b"application/json")])
    script.put(COMMANDS, room, b"{", headers=[*marks[:1], ("ce_id", b"binary-3"), *marks[2:]])


def _no_cloud_events(script: Platform, room: str, sound: dict[str, Any]) -> None:
    def event(**more: Any) -> dict[str, Any]:
        return cloud_event("SendInvitation", script.id(), room, sound) | more

    values: tuple[Any, ...] = (
        *(None, b"", b"{", b"\xff\x00", b"[]", b"7", b'{"specversion":NaN}'),
        *(event(specversion="0.3"), event(id=""), event(id=7), event(id="x" * 65), event(source="")),
        *(event(type=None), event(correlationid="\0"), b'{"specversion":"1.0","id":"\\ud800"}'),
    )
    for value in values:
        script.put(COMMANDS, room, value)
    script.put(COMMANDS, None, b"no JSON", headers=[("a", b"1"), ("a", None), ("b \u2603", b"\xff")])
    script.put(COMMANDS, room, b"x" * 2_150_000, headers=[("kept", b"yes")])
    script.put(COMMANDS, room, b"x", headers=[("lost", b"h" * 2_150_000)])


def facts(script: Platform) -> None:
    sound = {"roomId": "room-1", "hostId": HOST, "status": "live"}

    def fact(kind: str = "RoomChanged", subject: str | None = "room-1", **more: Any) -> Any:
        return cloud_event(kind, script.id("fact"), subject, sound | more)

    script.put("rooms", "room-1", fact("UserChanged"))
    script.put("rooms", "room-1", fact(status="asleep"))
    script.put("rooms", "room-1", fact(maxCoHosts=101))
    script.put("rooms", "room-1", fact(roomId="room-2"))
    script.put("rooms", "room-1", fact(subject="room-2"))
    script.put("rooms", "room-1", fact(subject=None))
    script.put("rooms", None, fact())
    script.put("rooms", "room-1", fact(), partition=2)
    script.put("rooms", "room-1", b"no JSON")
    script.put("rooms", None, None)
    script.put("rooms", "room-1", None, partition=2)
    script.put("rooms", "no room", None)
    script.put("rooms", b"\xff", None)
    user = {"userId": "bob", "status": "active"}
    script.put("users", "bob", cloud_event("UserChanged", "u", "bob", user | {"blockedUserIds": ["a b"]}))
    script.put("users", "bob", cloud_event("UserChanged", "u", "bob", user), partition=1)
    script.put("users", "bob", cloud_event("RoomChanged", "u", "bob", user))
