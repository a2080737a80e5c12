"""The log of invitations: every command and how it is refused, then a few rooms in disorder."""

from tests.golden import broken, disorder
from tests.golden.invitations_log import COMMANDS, HOST, TRACE, Platform
from tests.golden.script import cloud_event

MESSAGE = 'Come on stage! "Now" \\ später \u2603\n\u0007'


def write() -> Platform:
    """Return the whole log."""
    script = Platform(2026)
    _facts(script)
    _sending(script)
    _answering(script)
    _expiry(script)
    _renewals(script)
    _seats(script)
    _bans(script)
    _rooms(script)
    _repeats(script)
    broken.commands(script)
    broken.facts(script)
    _stages(script)
    disorder.play(script)
    return script


def _facts(script: Platform) -> None:
    for user in ("alice", "bob", "carol", "dave", "mallory", "u:1@x.y-z_"):
        script.user(user, displayName="Ann \u2603")
    script.user("erin", canReceiveInvitations=False)
    script.user("frank", blockedUserIds=["alice", "bob"])
    script.user("gina", "banned")
    script.user("hank", "deleted")
    script.user("ivan")
    script.put("users", "ivan", None)
    script.put("users", "nobody", None)
    script.put("rooms", "nowhere", None)
    script.room("room-1", seats=2, title='A "title"')
    script.room("room-1", seats=2, title="Another title")
    script.room("room-3", "idle", seats=None, unknownField=1)
    script.room("room-4", "recorded")
    script.again(3)


def _sending(script: Platform) -> None:
    room = "room-1"
    script.send("room-2", "bob")
    script.send("room-4", "bob")
    script.send(room, "bob", actor="mallory")
    script.send(room, HOST)
    for user in ("zoe", "ivan", "hank", "erin", "frank", "gina"):
        script.send(room, user)
    first = script.send(room, "bob", expiresInSeconds=600, message=MESSAGE)
    script.send(room, "bob")
    script.send(room, "carol", message=None, expiresInSeconds=None)
    script.do("SendInvitation", room, more=TRACE, userId="u:1@x.y-z_", actorId=HOST, expiresInSeconds=604800)
    script.send(room, "dave")
    script.answer("Cancel", room, first, HOST)
    second = script.send(room, "bob", message="")
    script.answer("Decline", room, second, "bob")
    script.send(room, "bob", expiresInSeconds=10)
    script.wait(10)
    script.send(room, "bob", 'id "with" \\ all \u00fc\u2603 characters'[:64], actor="mallory")
    script.send(room, "bob", "a:b@c.d-e_f", expiresInSeconds=3600, more=TRACE | {"tracestate": None})


def _answering(script: Platform) -> None:
    room, other = "room-1", "room-3"
    mine = script.send(other, "bob")
    for kind in ("Accept", "Decline"):
        script.answer(kind, other, "no-such", "bob")
        script.answer(kind, room, mine, "bob")
        script.answer(kind, other, mine, "mallory")
        script.answer(kind, other, mine, HOST)
    script.answer("Cancel", other, "no-such", HOST)
    script.answer("Cancel", other, mine, "mallory")
    script.answer("Cancel", other, mine, "bob")
    script.do("AcceptInvitation", other, more=TRACE, invitationId=mine, actorId="bob")
    script.answer("Accept", other, mine, "bob")
    script.answer("Decline", other, mine, "bob")
    script.answer("Cancel", other, mine, HOST)
    script.send(other, "bob")
    for kind, actor in (("Accept", "carol"), ("Decline", "carol"), ("Cancel", HOST)):
        late = script.send(other, "carol", expiresInSeconds=10)
        script.wait(20)
        script.answer(kind, other, late, actor)
    script.answer("Accept", "room-2", mine, "bob")


def _expiry(script: Platform) -> None:
    room = "room-3"
    script.wait(3600)
    due = script.send(room, "dave", expiresInSeconds=30)
    script.do("ExpireInvitation", room, invitationId=due)
    script.do("ExpireInvitation", room, invitationId="no-such")
    script.wait(30)
    script.do("ExpireInvitation", room, invitationId=due)
    script.do("ExpireInvitation", room, invitationId=due)
    script.send(room, "dave", expiresInSeconds=10)
    script.wait(10)
    again = script.send(room, "dave", expiresInSeconds=10)
    script.wait(60)
    script.room(room, "ended")
    script.answer("Accept", room, again, "dave")
    script.room(room, "live", seats=3)


def _renewals(script: Platform) -> None:
    room = "room-9"
    script.room(room, seats=3)
    first = script.send(room, "bob", label='Guitar "\u2603"', expiresInSeconds=60)
    for kind, actor in (("ResendInvitation", HOST), ("MarkInvitationSeen", "bob")):
        script.do(kind, "room-2", invitationId=first, actorId=actor)
        script.do(kind, room, invitationId="no-such", actorId=actor)
        script.do(kind, room, invitationId=first, actorId="mallory")
        script.do(kind, room, more=TRACE, invitationId=first, actorId=actor)
    script.do("MarkInvitationSeen", room, invitationId=first, actorId="bob")
    script.wait(10)
    script.do("ResendInvitation", room, invitationId=first, actorId=HOST)
    script.do("ResendInvitation", room, invitationId=first, actorId=HOST)
    script.wait(10)
    script.do("ResendInvitation", room, invitationId=first, actorId=HOST, expiresInSeconds=600)
    script.wait(60)
    script.do("ExpireInvitation", room, invitationId=first)
    script.do("ResendInvitation", room, invitationId=first, actorId=HOST, expiresInSeconds=10)
    script.wait(10)
    for kind, actor in (("ResendInvitation", HOST), ("MarkInvitationSeen", "bob")):
        script.do(kind, room, invitationId=first, actorId=actor)
    script.do("ExpireInvitation", room, invitationId=first)
    script.do("MarkInvitationSeen", room, invitationId=first, actorId="bob")
    with script.together():
        second = script.send(room, "carol", label="Drums")
        script.do("MarkInvitationSeen", room, invitationId=second, actorId="carol")
        script.answer("Accept", room, second, "carol")
    script.seat(room, "dave")
    script.seat(room, "bob")
    for actor, users in (
        ("bob", ["bob"]),
        (HOST, ["bob", "mallory"]),
        (HOST, ["bob"]),
        (HOST, ["dave", "bob"]),
    ):
        script.do("ArrangeStage", room, actorId=actor, userIds=users)
    script.do("LeaveStage", room, actorId="dave")
    script.seat(room, "dave")
    script.do("ArrangeStage", room, more=TRACE, actorId=HOST, userIds=["carol"])
    script.room(room, "ended")


def _seats(script: Platform) -> None:
    room = "room-5"
    script.room(room, seats=1)
    first = script.seat(room, "bob")
    full = script.send(room, "carol")
    script.answer("Accept", room, full, "carol")
    script.do("RemoveCoHost", room, userId="bob", actorId="carol")
    script.do("RemoveCoHost", room, userId="dave", actorId=HOST)
    script.do("LeaveStage", room, actorId="carol")
    script.do("ReleaseSeat", room, userId="bob", invitationId="no-such", reason="no_show")
    script.do("RemoveCoHost", room, more=TRACE, userId="bob", actorId=HOST)
    script.do("ReleaseSeat", room, userId="bob", invitationId=first, reason="no_show")
    script.answer("Accept", room, full, "carol")
    script.do("LeaveStage", room, actorId="carol")
    for reason in ("no_show", "connection_lost"):
        seated = script.seat(room, "bob")
        script.do("ReleaseSeat", room, userId="bob", invitationId=seated, reason=reason)
    script.room(room, seats=0)
    script.seat(room, "bob")


def _bans(script: Platform) -> None:
    room = "room-6"
    script.room(room)
    script.do("ExcludeUser", room, userId="bob")
    script.do("ExcludeUser", room, userId="gina")
    script.do("ExcludeUser", room, userId="zoe")
    script.seat(room, "dave")
    waiting = script.send(room, "carol")
    script.user("dave", "banned")
    script.user("carol", "banned")
    script.answer("Accept", room, waiting, "carol")
    script.do("ExcludeUser", room, userId="dave")
    script.do("ExcludeUser", room, more=TRACE, userId="carol")
    script.user("dave")
    script.user("carol")
    script.put("users", "mallory", None)
    script.send(room, "mallory")
    script.user("mallory")
    script.send(room, "mallory", expiresInSeconds=10)
    script.wait(10)
    script.user("mallory", "deleted")
    script.do("ExcludeUser", room, userId="mallory")
    script.user("mallory")


def _rooms(script: Platform) -> None:
    room = "attic"
    script.room(room, "idle")
    script.seat(room, "bob")
    script.send(room, "carol")
    kept = script.send(room, "dave", expiresInSeconds=10)
    script.room(room, "waitingReconnect")
    script.room(room, host="bob")
    script.room(room, host="carol")
    script.seat(room, "bob", "carol")
    script.room(room, "terminated", "carol")
    script.answer("Accept", room, kept, "dave")
    script.room(room, "live", "carol")
    script.room(room, "error", "carol")
    script.put("rooms", room, None)
    script.send(room, "bob", actor="carol")
    script.put("rooms", room, None)
    script.room(room, "live")
    script.send(room, "bob")
    script.answer("Accept", room, kept, "dave")
    gone = script.seat(room, "dave")
    script.put("rooms", room, None)
    script.room(room, "live")
    script.answer("Cancel", room, gone, HOST)
    script.send(room, "dave")
    script.room(room, "ended")


def _repeats(script: Platform) -> None:
    room = "room-7"
    script.room(room)
    with script.together():
        first = script.send(room, "bob", "twice")
        script.send(room, "bob", "twice")
        script.answer("Accept", room, first, "bob", "answer-twice")
        script.answer("Decline", room, first, "bob", "answer-twice")
        script.send(room, "bob", "refused-twice")
        script.send(room, "carol", "refused-twice")
    with script.together():
        script.send(room, "carol", "twice")
        third = script.send(room, "carol", "other")
        script.send("room-8", "carol", "refused-twice")
        script.answer("Accept", room, third, "carol", "answer-twice")
        script.answer("Accept", room, third, "carol")
    script.again(5)
    for _ in range(2):
        script.cut()
        script.put(COMMANDS, room, cloud_event("Unknown", "unknown-twice", room, {}))
    script.skip(COMMANDS, 0, 3)
    script.do("LeaveStage", room, actorId="carol")


def _stages(script: Platform) -> None:
    """Play what the script of broadcast is about: see there."""
    for room in ("studio", "arena"):
        script.room(room, "idle")
        script.room(room, "live")
        script.seat(room, "bob")
        script.seat(room, "carol")
        script.seat(room, "dave")
        script.do("ArrangeStage", room, actorId=HOST, userIds=["dave", "bob"])
        script.do("LeaveStage", room, actorId="dave")
        script.seat(room, "dave")
        script.room(room, "live", "bob")
        script.room(room, "waitingReconnect", "bob")
        script.room(room, "live", "bob")
        script.do("RemoveCoHost", room, userId="carol", actorId="bob")
        script.room(room, "ended", "bob")
        script.room(room, "live")
        script.seat(room, "carol")
        script.put("rooms", room, None)
