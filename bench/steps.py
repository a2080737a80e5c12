"""Possible next commands of a room: accepted ones and rejected ones."""

from collections.abc import Callable

from bench.room import BANNED, MAX_CO_HOSTS, STRANGER, Command, Room

REFUSED_SHARE = 0.3


def following(room: Room) -> Command:
    """Return the room's next command, chosen at random."""
    choices = _REFUSED if room.random.random() < REFUSED_SHARE else _EFFECTIVE
    while True:
        command = room.random.choice(choices)(room)
        if command is not None:
            return command


def _send(room: Room) -> Command | None:
    free = [user for user in room.users if user not in room.pending and user not in room.seats]
    if not free:
        return None
    user = room.random.choice(free)
    command = room.invite(user)
    room.pending[user] = command.id
    return command


def _accept(room: Room) -> Command | None:
    if (found := room.waiting()) is None:
        return None
    user, invitation_id = found
    if len(room.seats) >= MAX_CO_HOSTS:
        return room.answer("AcceptInvitation", user, invitation_id, "room_full")
    room.seats[user] = room.close(user)
    return room.answer("AcceptInvitation", user, invitation_id)


def _decline(room: Room) -> Command | None:
    if (found := room.waiting()) is None:
        return None
    return room.answer("DeclineInvitation", found[0], room.close(found[0]))


def _cancel(room: Room) -> Command | None:
    if (found := room.waiting()) is None:
        return None
    return room.answer("CancelInvitation", room.host, room.close(found[0]))


def _leave(room: Room) -> Command | None:
    if (found := room.seated()) is None:
        return None
    del room.seats[found[0]]
    return room.command("LeaveStage", actorId=found[0])


def _remove(room: Room) -> Command | None:
    if (found := room.seated()) is None:
        return None
    del room.seats[found[0]]
    return room.command("RemoveCoHost", userId=found[0], actorId=room.host)


def _release(room: Room) -> Command | None:
    if (found := room.seated()) is None:
        return None
    user, invitation_id = found
    del room.seats[user]
    return room.command("ReleaseSeat", userId=user, invitationId=invitation_id, reason="no_show")


def _send_by_guest(room: Room) -> Command:
    return room.invite(room.users[0], actor=room.users[1], expected="not_room_host")


def _send_to_host(room: Room) -> Command:
    return room.invite(room.host, expected="invalid_target")


def _send_to_banned(room: Room) -> Command:
    return room.invite(BANNED, expected="user_not_eligible")


def _send_to_stranger(room: Room) -> Command:
    return room.invite(STRANGER, expected="user_not_found")


def _send_again(room: Room) -> Command | None:
    found = room.waiting()
    return None if found is None else room.invite(found[0], expected="already_invited")


def _send_to_seated(room: Room) -> Command | None:
    found = room.seated()
    return None if found is None else room.invite(found[0], expected="already_co_host")


def _accept_for_another(room: Room) -> Command | None:
    found = room.waiting()
    return None if found is None else room.answer("AcceptInvitation", room.host, found[1], "not_invitee")


def _accept_again(room: Room) -> Command | None:
    return _answer_closed(room, "AcceptInvitation")


def _decline_again(room: Room) -> Command | None:
    return _answer_closed(room, "DeclineInvitation")


def _answer_closed(room: Room, name: str) -> Command | None:
    if not room.closed:
        return None
    user, invitation_id = room.random.choice(room.closed[-4:])
    return room.answer(name, user, invitation_id, "invitation_not_pending")


def _cancel_unknown(room: Room) -> Command:
    return room.answer("CancelInvitation", room.host, room.new_id(), "invitation_not_found")


def _leave_unseated(room: Room) -> Command:
    return room.command("LeaveStage", "not_co_host", actorId=STRANGER)


def _remove_unseated(room: Room) -> Command:
    return room.command("RemoveCoHost", "not_co_host", userId=STRANGER, actorId=room.host)


def _release_other(room: Room) -> Command | None:
    if (found := room.seated()) is None:
        return None
    return room.command(
        "ReleaseSeat", "not_co_host", userId=found[0], invitationId=room.new_id(), reason="no_show"
    )


def _expire_early(room: Room) -> Command | None:
    found = room.waiting()
    return None if found is None else room.command("ExpireInvitation", "not_due", invitationId=found[1])


def _exclude(room: Room) -> Command:
    return room.command("ExcludeUser", "user_eligible", userId=room.users[0])


def _misspell(room: Room) -> Command:
    return room.command("LeaveStage", "invalid_command", actor=room.users[0])


_Step = Callable[[Room], Command | None]

_EFFECTIVE: tuple[_Step, ...] = (
    *[_send] * 5,
    *[_accept] * 3,
    _decline,
    _cancel,
    _leave,
    _remove,
    _release,
)
_REFUSED: tuple[_Step, ...] = (
    _send_by_guest,
    _send_to_host,
    _send_to_banned,
    _send_to_stranger,
    _send_again,
    _send_to_seated,
    _accept_for_another,
    _accept_again,
    _decline_again,
    _cancel_unknown,
    _leave_unseated,
    _remove_unseated,
    _release_other,
    _expire_early,
    _exclude,
    _misspell,
)
