"""The log of broadcast: each signal, each command, then rooms in disorder."""

from typing import Any

from tests.golden import log, run
from tests.golden.broadcast_log import COMMANDS, EVENTS, RIGHTS, SIGNALS, SOURCES, Air, person, track, viewer
from tests.golden.log import PREFIX
from tests.golden.script import cloud_event

STUDIO, ARENA, CLUB = "studio", "arena", "club"
ROOMS = ("room-1", "room-3", "room-5", "room-7", "room-8", "attic", STUDIO, ARENA)
USERS = ("alice", "bob", "carol", "dave", "mallory")


async def grants(script: Air) -> None:
    """A room opens; rights come into place, or do not; hosts change."""
    script.do("Mute", STUDIO)
    script.tell("RoomMade", STUDIO)
    script.webhook("ParticipantJoined", STUDIO, participant=person("bob", "PA_0"))
    script.until(STUDIO, "InvitationSent")
    script.do("Mute", STUDIO)
    script.webhook("ParticipantJoined", STUDIO, participant=person("alice", "PA_A", badge="host"))
    script.until(STUDIO, "InvitationAccepted", userId="bob")
    await script.failed(STUDIO, "bob")
    await script.failed(STUDIO, "bob", 2)
    script.tell("GrantApplied", STUDIO, userId="bob", version=0, mode="in_place")
    await script.applied(STUDIO, "bob", "absent")
    await script.applied(STUDIO, "bob")
    script.until(STUDIO, "InvitationAccepted", userId="carol")
    await script.failed(STUDIO, "carol", 7, retryable=False)
    await script.applied(STUDIO, "carol", participant=person("carol", "PA_C", connected=False))
    script.webhook("ParticipantJoined", STUDIO, participant=viewer("carol", "PA_C"))
    await script.applied(STUDIO, "carol", participant=person("carol", "PA_C"))


async def presence(script: Air) -> None:
    """Webhooks come, late and again; tracks come and go; a co-host drops, returns, and is lost."""
    joined = {"participant": person("bob", "PA_1", tracks=[track("TR_0", "camera")])}
    for _ in range(2):
        script.webhook("ParticipantJoined", STUDIO, "EV_bob", **joined)
    bob: Any = {"userId": "bob", "sid": "PA_1"}
    script.webhook("TrackPublished", STUDIO, **bob, track=track("TR_1"))
    script.webhook("TrackPublished", STUDIO, **bob, track=track("TR_2", "unknown", muted=True))
    script.webhook("TrackPublished", STUDIO, **{**bob, "sid": "PA_old"}, track=track("TR_3"))
    script.webhook("TrackUnpublished", STUDIO, **bob, trackSid="TR_1")
    script.webhook("ParticipantLeft", STUDIO, **bob, reason="moved")
    script.compare(STUDIO, person("alice", "PA_A", badge="host"), person("carol", "PA_C"))
    script.compare(STUDIO, person("alice", "PA_A", badge="host"), person("carol", "PA_C"))
    script.webhook("ParticipantJoined", STUDIO, participant=person("bob", "PA_2"))
    script.webhook("ParticipantLeft", STUDIO, **bob, reason="departed")
    script.webhook("ParticipantLeft", STUDIO, "EV_left", userId="bob", sid="PA_2", reason="departed")
    script.again(2)
    script.webhook("ParticipantLeft", STUDIO, "EV_left", userId="bob", sid="PA_2", reason="departed")
    script.webhook("ParticipantJoined", STUDIO, participant=person("bob", "PA_2"))
    script.webhook("ParticipantJoined", STUDIO, participant=person("bob", "PA_3"))
    script.webhook("ParticipantLeft", STUDIO, userId="bob", sid="PA_3", reason="departed")
    script.webhook("ParticipantLeft", STUDIO, userId="stranger", sid="PA_9", reason="departed")
    await script.overdue(STUDIO, "bob", "grace", wait=False)
    await script.overdue(STUDIO, "bob", "grace")
    await script.overdue(STUDIO, "bob", "grace")
    script.webhook("ParticipantJoined", STUDIO, participant=person("bob", "PA_4"))
    script.until(STUDIO, "InvitationAccepted", userId="dave")
    await script.overdue(STUDIO, "dave", "no_show")
    script.until(STUDIO, "CoHostLeft", userId="dave")
    await script.failed(STUDIO, "dave")
    await script.applied(STUDIO, "dave", "absent")
    script.until(STUDIO, "InvitationAccepted", userId="dave")


async def mutes(script: Air) -> None:
    """Soft and hard mutes, refused ones, and requests to unmute."""
    script.do("Mute", STUDIO, id_="soft")
    script.do("Mute", STUDIO, id_="soft")
    script.do("Mute", STUDIO, actor="bob", source="camera", id_="soft-2")
    script.do("Mute", STUDIO, actor="bob", hard=True)
    script.do("Mute", STUDIO, actor="carol")
    script.do("Mute", STUDIO, user="zoe")
    script.do("Mute", "no-such-room")
    script.do("Mute", STUDIO, source="screen_share_audio")
    script.do("Mute", STUDIO, extra=True)
    there = person("bob", "PA_4", tracks=[track("TR_4", muted=True)])
    for errand in ("soft", "soft", "soft-2", "no-such"):
        script.tell("ErrandDone", STUDIO, userId="bob", errandId=errand, participant=there)
    for source in ("microphone", "camera", "screen_share"):
        script.do("Mute", STUDIO, user="carol", hard=True, source=source)
        script.do("Mute", STUDIO, user="carol", source=source, id_=script.id())
    await script.applied(STUDIO, "carol")
    carol: Any = {"userId": "carol", "sid": "PA_C"}
    script.webhook("TrackPublished", STUDIO, **carol, track=track("TR_5", "screen_share_audio"))
    await script.failed(STUDIO, "carol")
    await script.applied(STUDIO, "carol")
    script.do("Unmute", STUDIO, user="carol", actor="carol")
    script.do("Unmute", STUDIO, user="carol", id_="unmute")
    script.do("Unmute", STUDIO, user="carol", id_="unmute-2")
    script.do("Unmute", STUDIO, user="carol", source="camera", hard=True)
    await script.applied(STUDIO, "carol")
    script.tell("ErrandDone", STUDIO, userId="carol", errandId="unmute-2")
    script.do("Lower", STUDIO)


async def intruders(script: Air) -> None:
    """Suspects: demoted, removed, clean, gone, and one whose identity is no id."""
    publishing: Any = {"sid": "PA_X", "track": track("TR_X")}
    for number, mode in enumerate(("in_place", "removed", "clean", "absent")):
        intruder = f"intruder-{number}"
        script.webhook("TrackPublished", STUDIO, userId=intruder, **publishing)
        await script.applied(STUDIO, intruder, mode)
    script.webhook("ParticipantJoined", STUDIO, participant=viewer("guest", "PA_G"))
    script.webhook("ParticipantJoined", STUDIO, participant=person("mallory", "PA_M"))
    await script.learn()
    for version in (0, script.version(STUDIO, "mallory")):
        script.tell("IntruderSeen", STUDIO, userId="mallory", version=version)
    script.tell("IntruderSeen", STUDIO, userId="guest", version=1)
    await script.failed(STUDIO, "mallory")
    await script.applied(STUDIO, "mallory", "absent")
    script.webhook("ParticipantJoined", STUDIO, participant=person("no id \u2603", "PA_N"))
    await script.applied(STUDIO, "no id \u2603", "removed")
    await script.learn()
    data = viewer("eve", "PA_E") | {"permissions": RIGHTS | {"canPublish": False, "canPublishSources": []}}
    script.compare(STUDIO, person("trudy", "PA_T", canUpdateMetadata=True), data, viewer("guest", "PA_G"))
    await script.applied(STUDIO, "trudy")
    await script.applied(STUDIO, "eve")


async def hosts(script: Air) -> None:
    """A co-host becomes the host, the old host loses the badge, the room ends, and opens once more."""
    script.until(STUDIO, "CoHostLeft", userId="bob")
    script.do("Mute", STUDIO, user="carol")
    script.do("Mute", STUDIO, user="carol", actor="bob")
    await script.applied(STUDIO, "bob")
    await script.applied(STUDIO, "alice")
    script.until(STUDIO, "StageChanged", status="live")
    await script.learn()
    wrong = person("bob", "PA_4", RIGHTS | {"canPublishSources": SOURCES[:1]})
    script.compare(STUDIO, wrong, person("dave", "PA_D"), position=1)
    script.compare(STUDIO, wrong, person("dave", "PA_D", tracks=[track("TR_D")]), roomSid="RM_2")
    script.compare(STUDIO, wrong, person("dave", "PA_D", tracks=[track("TR_D")]), roomSid="RM_2", version=1)
    await script.applied(STUDIO, "bob")
    script.until(STUDIO, "CoHostLeft", userId="carol")
    script.webhook("RoomFinished", STUDIO, roomSid="RM_2")
    script.webhook("RoomFinished", STUDIO, roomSid="RM_0")
    script.webhook("ParticipantJoined", STUDIO, roomSid="RM_2", participant=person("dave", "PA_D"))
    script.compare(STUDIO, roomSid=None)
    script.compare(STUDIO, roomSid=None)
    script.until(STUDIO, "StageChanged", status="ended")
    script.do("Mute", STUDIO, user="dave")
    script.until(STUDIO, "CoHostLeft", userId="dave")
    await script.deleted(STUDIO, None)
    script.webhook("TrackPublished", STUDIO, roomSid="RM_3", userId="eve", sid="PA_E", track=track("TR_E"))
    script.webhook("ParticipantJoined", STUDIO, roomSid="RM_3", participant=viewer("eve", "PA_E"))
    await script.deleted(STUDIO, "RM_3")
    script.tell("RoomMade", STUDIO)
    await script.learn()
    script.compare(STUDIO, roomSid="RM_4")
    await script.deleted(STUDIO, "RM_4")
    await script.learn()
    script.compare(STUDIO, roomSid="RM_5")
    script.until(STUDIO, "InvitationAccepted", userId="carol")
    await script.deleted(STUDIO, None)
    await script.applied(STUDIO, "carol")


async def broken(script: Air) -> None:
    """Broken signals, commands and events."""
    room = STUDIO
    sound = {"roomId": room, "userId": "bob", "version": 1, "mode": "in_place"}
    values = (
        cloud_event("GrantApplied", "b-1", room, sound | {"mode": "elsewhere"}),
        cloud_event("GrantApplied", "b-2", room, sound | {"version": "1"}),
        cloud_event("GrantApplied", "b-3", ARENA, sound),
        cloud_event("GrantWished", "b-4", room, sound),
        cloud_event("GrantApplied", "b" * 65, room, sound),
        b"no JSON",
        None,
    )
    for value in values:
        script.put(SIGNALS, room, value)
    script.put(SIGNALS, room, cloud_event("GrantApplied", "b-5", room, sound), partition=2)
    command = {"roomId": room, "userId": "bob", "actorId": "bob", "source": "microphone"}
    script.put(COMMANDS, room, cloud_event("MuteCoHost", "b-6", room, command), partition=1)
    script.put(COMMANDS, room, cloud_event("MuteCoHost", "b-7", ARENA, command))
    script.put(COMMANDS, room, b"{}")
    script.put(COMMANDS, room, b"x" * 2_150_000)
    for kind in ("mute", "lies", "unmute"):
        script.do("Mute", room, user="carol", actor="carol", source=kind)
    ended = {"roomId": room, "userId": "bob", "invitationId": "i", "reason": "tired", "leftAt": "now"}
    script.stray(cloud_event("CoHostLeft", "b-8", room, ended), room)
    script.stray(cloud_event("CoHostWaved", "b-9", room, ended), room)


async def qualities(script: Air) -> None:
    """Reports of a host and of a co-host about their connections, in a room of their own."""
    script.in_order = True
    script.cut()
    room = CLUB
    opened = {"roomId": room, "hostId": "alice", "status": "live", "open": True, "maxCoHosts": 5}
    at = "2026-01-01T14:00:00.000Z"
    seated = {"invitationId": "q-i", "roomId": room, "userId": "bob", "invitedBy": "alice"}
    times = {"sentAt": at, "expiresAt": at, "respondedAt": at, "updatedAt": at}
    script.stray(cloud_event("StageChanged", "q-1", room, opened), room)
    script.stray(
        cloud_event("InvitationAccepted", "q-2", room, {**seated, **times, "status": "accepted"}), room
    )
    reports: tuple[tuple[str, str, int | None, int], ...] = (
        ("bob", "good", 40, 0),
        ("alice", "excellent", None, 4),
        ("bob", "poor", 300, 0),
        ("bob", "good", 50, 60),
        ("bob", "lost", None, 0),
        ("bob", "poor", 900, 0),
        ("carol", "lost", 1, 0),
        ("alice", "excellent", 20, 8),
        ("bob", "poor", 0, 0),
    )
    for user, quality, round_trip, seconds in reports:
        script.tell("QualityReported", room, userId=user, quality=quality, roundTripMs=round_trip)
        script.wait(seconds)
    await script.due_quality(room, "bob")
    await script.due_quality(room, "bob")
    left = {"roomId": room, "userId": "bob", "invitationId": "q-i", "reason": "left", "leftAt": at}
    script.tell("QualityReported", room, userId="bob", quality="good", roundTripMs=None)
    script.stray(cloud_event("CoHostLeft", "q-3", room, left), room)
    await script.due_quality(room, "bob")


async def disorder(script: Air) -> None:
    """Everything at once, over all the rooms that invitations tell of."""
    script.in_order = False
    for turn in range(500):
        if turn % 8 == 0:
            await script.learn()
        if script.random.random() < 0.3:
            _pull(script)
        else:
            await _anything(script)


def _pull(script: Air) -> None:
    for _ in range(script.random.randint(1, 2)):
        lanes = [lane for lane, left in script.events.items() if left]
        if lanes:
            script.pull(script.random.choice(lanes))


async def _anything(script: Air) -> None:
    choose, dice = script.random.choice, script.random.random()
    known = script.member() if script.random.random() < 0.8 else None
    room, user = known or (choose(ROOMS), choose(USERS))
    if dice < 0.25:
        mode = choose(("in_place", "in_place", "absent", "removed"))
        script.tell("GrantApplied", room, userId=user, version=script.version(room, user), mode=mode)
    elif dice < 0.65:
        sights(script, room, user, choose(("PA_1", "PA_2", "PA_3")))
    elif dice < 0.75:
        kind, hard = choose((("Mute", True), ("Mute", False), ("Unmute", None)))
        flags = {} if hard is None else {"hard": hard}
        script.do(kind, room, user=user, actor=choose(USERS[:2]), **flags)
    elif dice < 0.85:
        there = [person(choose(USERS), "PA_1"), viewer("guest", "PA_G")][: script.random.randint(0, 2)]
        script.compare(room, *there, roomSid=choose(("RM_1", "RM_2", None)))
    elif dice < 0.92:
        kind = choose(("grace", "no_show"))
        await script.overdue(room, user, kind, wait=script.random.random() < 0.3)
    elif dice < 0.97:
        await script.deleted(room, choose((None, "RM_1")))
    else:
        script.again(script.random.randint(1, 3))


def sights(script: Air, room: str, user: str, sid: str) -> None:
    """Let LiveKit report something."""
    choose = script.random.choice
    sight: Any = {"roomSid": choose(("RM_1", "RM_1", "RM_2"))}
    kind = choose(
        ("ParticipantJoined", "ParticipantJoined", "ParticipantLeft", "TrackPublished", "RoomFinished")
    )
    if kind == "ParticipantJoined":
        sight["participant"] = choose((person(user, sid), viewer(user, sid), person(user, sid, badge="host")))
    elif kind == "ParticipantLeft":
        sight |= {"userId": user, "sid": sid, "reason": choose(("departed", "departed", "moved"))}
    elif kind == "TrackPublished":
        sight |= {"userId": user, "sid": sid, "track": track("TR_1", choose(SOURCES))}
    script.webhook(kind, room, **sight)


async def write(database_url: str) -> None:
    """Write the whole log."""
    async with run.opened("broadcast", database_url, "script") as processor:
        script = Air(2027, processor)
        for scene in (grants, presence, mutes, intruders, hosts, disorder, broken, qualities):
            await scene(script)
    copied = {(PREFIX + EVENTS, *place) for place in log.golden_events()}
    lines = [
        log.input_line(entry, copied=(entry.topic, entry.partition, entry.offset) in copied)
        for entry in script.entries
    ]
    log.write("broadcast", "inputs", lines)
