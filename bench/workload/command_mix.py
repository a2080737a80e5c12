"""Possible next commands of a room: accepted ones and rejected ones."""

from collections.abc import Callable, Sequence

from bench.workload.simulated_room import (
    BANNED_USER,
    MAX_CO_HOSTS,
    UNKNOWN_USER,
    PlannedCommand,
    SimulatedRoom,
)

REFUSED_SHARE = 0.3


def next_command(room: SimulatedRoom, *, over_http: bool = False) -> PlannedCommand:
    """Return the room's next command, chosen at random; `over_http` leaves out what no user can send."""
    choices: Sequence[_Step] = _REFUSED if room.random.random() < REFUSED_SHARE else _EFFECTIVE
    if over_http:
        choices = [step for step in choices if step not in _NOT_OVER_HTTP]
    while True:
        command = room.random.choice(choices)(room)
        if command is not None:
            return command


def _send(room: SimulatedRoom) -> PlannedCommand | None:
    free = [user for user in room.users if user not in room.pending and user not in room.seats]
    if not free:
        return None
    user = room.random.choice(free)
    command = room.invite_user(user)
    room.pending[user] = command.id
    return command


def _accept(room: SimulatedRoom) -> PlannedCommand | None:
    if (found := room.pick_pending()) is None:
        return None
    user, invitation_id = found
    if len(room.seats) >= MAX_CO_HOSTS:
        return room.answer_invitation("AcceptInvitation", user, invitation_id, "room_full")
    room.seats[user] = room.close_invitation(user)
    return room.answer_invitation("AcceptInvitation", user, invitation_id)


def _decline(room: SimulatedRoom) -> PlannedCommand | None:
    if (found := room.pick_pending()) is None:
        return None
    return room.answer_invitation("DeclineInvitation", found[0], room.close_invitation(found[0]))


def _cancel(room: SimulatedRoom) -> PlannedCommand | None:
    if (found := room.pick_pending()) is None:
        return None
    return room.answer_invitation("CancelInvitation", room.host_id, room.close_invitation(found[0]))


def _leave(room: SimulatedRoom) -> PlannedCommand | None:
    if (found := room.pick_seated()) is None:
        return None
    del room.seats[found[0]]
    return room.new_command("LeaveStage", actorId=found[0])


def _remove(room: SimulatedRoom) -> PlannedCommand | None:
    if (found := room.pick_seated()) is None:
        return None
    del room.seats[found[0]]
    return room.new_command("RemoveCoHost", userId=found[0], actorId=room.host_id)


def _release(room: SimulatedRoom) -> PlannedCommand | None:
    if (found := room.pick_seated()) is None:
        return None
    user, invitation_id = found
    del room.seats[user]
    return room.new_command("ReleaseSeat", userId=user, invitationId=invitation_id, reason="no_show")


def _send_by_guest(room: SimulatedRoom) -> PlannedCommand:
    return room.invite_user(room.users[0], actor=room.users[1], expected="not_room_host")


def _send_to_host(room: SimulatedRoom) -> PlannedCommand:
    return room.invite_user(room.host_id, expected="invalid_target")


def _send_to_banned(room: SimulatedRoom) -> PlannedCommand:
    return room.invite_user(BANNED_USER, expected="user_not_eligible")


def _send_to_stranger(room: SimulatedRoom) -> PlannedCommand:
    return room.invite_user(UNKNOWN_USER, expected="user_not_found")


def _send_again(room: SimulatedRoom) -> PlannedCommand | None:
    found = room.pick_pending()
    return None if found is None else room.invite_user(found[0], expected="already_invited")


def _send_to_seated(room: SimulatedRoom) -> PlannedCommand | None:
    found = room.pick_seated()
    return None if found is None else room.invite_user(found[0], expected="already_co_host")


def _accept_for_another(room: SimulatedRoom) -> PlannedCommand | None:
    found = room.pick_pending()
    return (
        None
        if found is None
        else room.answer_invitation("AcceptInvitation", room.host_id, found[1], "not_invitee")
    )


def _accept_again(room: SimulatedRoom) -> PlannedCommand | None:
    return _answer_closed(room, "AcceptInvitation")


def _decline_again(room: SimulatedRoom) -> PlannedCommand | None:
    return _answer_closed(room, "DeclineInvitation")


def _answer_closed(room: SimulatedRoom, name: str) -> PlannedCommand | None:
    if not room.closed:
        return None
    user, invitation_id = room.random.choice(room.closed[-4:])
    return room.answer_invitation(name, user, invitation_id, "invitation_not_pending")


def _cancel_unknown(room: SimulatedRoom) -> PlannedCommand:
    return room.answer_invitation("CancelInvitation", room.host_id, room.new_id(), "invitation_not_found")


def _leave_unseated(room: SimulatedRoom) -> PlannedCommand:
    return room.new_command("LeaveStage", "not_co_host", actorId=UNKNOWN_USER)


def _remove_unseated(room: SimulatedRoom) -> PlannedCommand:
    return room.new_command("RemoveCoHost", "not_co_host", userId=UNKNOWN_USER, actorId=room.host_id)


def _release_other(room: SimulatedRoom) -> PlannedCommand | None:
    if (found := room.pick_seated()) is None:
        return None
    return room.new_command(
        "ReleaseSeat", "not_co_host", userId=found[0], invitationId=room.new_id(), reason="no_show"
    )


def _expire_early(room: SimulatedRoom) -> PlannedCommand | None:
    found = room.pick_pending()
    return None if found is None else room.new_command("ExpireInvitation", "not_due", invitationId=found[1])


def _exclude(room: SimulatedRoom) -> PlannedCommand:
    return room.new_command("ExcludeUser", "user_eligible", userId=room.users[0])


def _misspell(room: SimulatedRoom) -> PlannedCommand:
    return room.new_command("LeaveStage", "invalid_command", actor=room.users[0])


_Step = Callable[[SimulatedRoom], PlannedCommand | None]

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
_NOT_OVER_HTTP = frozenset({_release, _release_other, _expire_early, _exclude, _misspell})
