"""Rooms in which users do anything, chosen by the seed."""

from tests.golden.invitations_log import Platform

ROOMS = ("room-1", "room-3", "room-5", "room-8")
USERS = ("alice", "bob", "carol", "dave", "mallory", "u:1@x.y-z_")


def play(script: Platform) -> None:
    """Let everybody do anything, also facts that overtake the commands of their batch."""
    for user in USERS:
        script.user(user)
    for room in ROOMS:
        script.room(room, seats=3)
    script.in_order = False
    known: list[tuple[str, str, str]] = []
    for _ in range(500):
        script.wait(script.random.randrange(8))
        dice = script.random.random()
        if dice < 0.32 or not known:
            known.append(_invite(script))
        elif dice < 0.7:
            _answer(script, *script.random.choice(known[-8:]))
        elif dice < 0.9:
            _end(script, *script.random.choice(known[-12:]))
        else:
            _change(script)


def _invite(script: Platform) -> tuple[str, str, str]:
    room, user = script.random.choice(ROOMS), script.random.choice(USERS)
    actor = "alice" if script.random.random() < 0.9 else "bob"
    seconds = script.random.randint(10, 200)
    return room, user, script.send(room, user, actor=actor, expiresInSeconds=seconds)


def _answer(script: Platform, room: str, user: str, invitation: str) -> None:
    kind = script.random.choice(("Accept", "Accept", "Accept", "Accept", "Decline", "Cancel"))
    right = "alice" if kind == "Cancel" else user
    actor = right if script.random.random() < 0.85 else script.random.choice(USERS)
    room = room if script.random.random() < 0.95 else script.random.choice(ROOMS)
    script.answer(kind, room, invitation, actor)


def _end(script: Platform, room: str, user: str, invitation: str) -> None:
    kind = script.random.choice(("Remove", "Leave", "Expire", "Release", "Exclude"))
    if kind == "Remove":
        script.do("RemoveCoHost", room, userId=user, actorId="alice")
    elif kind == "Leave":
        script.do("LeaveStage", room, actorId=user)
    elif kind == "Expire":
        script.do("ExpireInvitation", room, invitationId=invitation)
    elif kind == "Release":
        script.do("ReleaseSeat", room, userId=user, invitationId=invitation, reason="connection_lost")
    else:
        script.do("ExcludeUser", room, userId=user)


def _change(script: Platform) -> None:
    dice, room = script.random.random(), script.random.choice(ROOMS)
    if dice < 0.4:
        status = script.random.choice((*7 * ("active",), "banned"))
        script.user(script.random.choice(USERS), status)
    elif dice < 0.85:
        status = script.random.choice((*9 * ("live",), "idle", "ended"))
        host = "alice" if script.random.random() < 0.9 else "bob"
        script.room(room, status, host, seats=script.random.randint(1, 4))
    elif dice < 0.88:
        script.put("rooms", room, None)
    else:
        script.again(script.random.randint(1, 4))
