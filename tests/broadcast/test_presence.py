"""Connections of co-hosts, the patience with those who drop, and the order of what webhooks say."""

from typing import Any

import pytest

from schemas import events, signals
from schemas.types import Message
from services.broadcast.state import Patience, Presence, Release
from tests.broadcast.scenes import (
    HOST,
    ROOM,
    Play,
    accepted,
    at,
    co_host,
    compared,
    gone,
    joined,
    left,
    participant,
    published,
    stage_changed,
    track,
)


def seated(patience: Patience | None = None) -> Play:
    play = Play(patience or Patience(grace=60, no_show=0))(stage_changed(), accepted()).applied(mode="absent")
    play.since()
    return play


def there(kind: Any, second: int) -> Message:
    said: Message = kind(room_id=ROOM, user_id="bob", invitation_id="invitation-1", at=at(second))
    return said


def dropped(second: int, grace: int = 60) -> Message:
    return events.CoHostDisconnected(
        room_id=ROOM,
        user_id="bob",
        invitation_id="invitation-1",
        at=at(second),
        grace_ends_at=at(second + grace),
    )


def deadline(
    due_at: str, kind: Any = "grace", invitation_id: str = "invitation-1"
) -> signals.DeadlineReached:
    return signals.DeadlineReached(
        room_id=ROOM,
        user_id="bob",
        invitation_id=invitation_id,
        kind=kind,
        due_at=due_at,
        command_id="command",
    )


def test_a_co_host_connects_drops_and_comes_back() -> None:
    play = seated()(joined(co_host()), gone(), joined(co_host(sid="PA_2")))
    assert play.told == [
        there(events.CoHostConnected, 4),
        dropped(5),
        there(events.CoHostReconnected, 6),
    ]
    assert play.member().deadline is None


def test_repeated_webhooks_give_one_event() -> None:
    play = seated()(joined(co_host()), joined(co_host()), gone(), gone())
    assert play.told == [there(events.CoHostConnected, 4), dropped(6)]


def test_a_late_join_of_an_ended_connection_is_ignored() -> None:
    play = seated()(joined(co_host()), gone(), joined(co_host()))
    assert play.told == [there(events.CoHostConnected, 4), dropped(5)]


def test_the_end_of_an_older_connection_is_not_a_disconnect() -> None:
    play = seated()(joined(co_host()), joined(co_host(sid="PA_2")), gone(sid="PA_1"))
    assert play.told == [there(events.CoHostConnected, 4)]
    assert play.member().presence.sid == "PA_2"


def test_webhooks_repeated_by_another_copy_take_effect_once() -> None:
    play = seated()
    heard = [joined(co_host()), gone(), joined(co_host(sid="PA_2")), gone(sid="PA_2")]
    for number, sight in enumerate(heard):
        play.decide(sight, f"EV_{number}")
    told = [*play.told]
    before = play.stage
    for number, sight in enumerate(heard):
        play.decide(sight, f"EV_{number}")
    assert (play.told, play.stage) == (told, before)


def test_late_joins_revive_none_of_the_ended_connections() -> None:
    play = seated()
    for number in range(4):
        play(joined(co_host(sid=f"PA_{number}")), gone(sid=f"PA_{number}"))
    told = [*play.told]
    assert play(*(joined(co_host(sid=f"PA_{number}")) for number in range(4))).told == told


def test_a_replaced_connection_does_not_return_after_its_end() -> None:
    play = seated()(joined(co_host()), joined(co_host(sid="PA_2")), gone(sid="PA_1"), joined(co_host()))
    assert play.member().presence.sid == "PA_2"


def test_the_number_of_remembered_webhooks_is_limited() -> None:
    play = seated()
    for number in range(200):
        play(joined(co_host(sid=f"PA_{number}")))
    assert play.stage is not None
    assert len(play.stage.room.heard) == 64
    assert len(play.member().presence.ended) <= 8


def test_a_moved_connection_is_not_a_disconnect() -> None:
    assert seated()(joined(co_host()), gone(reason="moved")).told == [there(events.CoHostConnected, 4)]


def test_an_end_reported_before_its_join_leaves_no_connection() -> None:
    assert seated()(gone(), joined(co_host())).told == []


def test_a_hosts_connection_is_stored_without_an_event() -> None:
    play = seated()(joined(participant(HOST, "PA_9"))).applied(HOST)(gone(HOST, "PA_9"))
    assert play.told == []
    assert play.member(HOST).presence == Presence("disconnected", ended=("PA_9",), changed=6)


def test_viewer_connections_are_ignored() -> None:
    play = seated()
    before = play.stage
    assert play(joined(participant("vera")), gone("vera")).stage == before


def test_the_seat_is_released_after_the_grace_period() -> None:
    play = seated()(joined(co_host()), gone())
    due = play.member().deadline
    assert due == at(65)
    play.since()
    play.second = 64
    play(deadline(due), deadline(due))
    assert play.told == [there(events.CoHostLost, 65)]
    assert play.member().seat.release == Release("connection_lost", "command")  # type: ignore[union-attr]


def test_a_deadline_reported_early_by_a_fast_clock_is_ignored() -> None:
    play = seated()(joined(co_host()), gone())
    before = play.stage
    play.second = 63
    assert play(deadline(at(65))).stage == before
    assert play(deadline(at(65))).stage != before


def test_a_deadline_is_ignored_after_the_co_host_reconnects() -> None:
    play = seated()(joined(co_host()), gone())
    due = play.member().deadline
    assert due is not None
    play(joined(co_host(sid="PA_2")))
    before = play.stage
    assert play(deadline(due)).stage == before


def test_a_deadline_of_another_seat_is_ignored() -> None:
    play = seated()(joined(co_host()), gone())
    before = play.stage
    assert play(deadline(play.member().deadline or "", invitation_id="invitation-0")).stage == before


def test_a_released_seat_gives_no_connection_events() -> None:
    play = seated()(joined(co_host()), gone())
    play.second = 64
    play(deadline(play.member().deadline or ""))
    play.since()
    assert play(joined(co_host(sid="PA_2")), gone(sid="PA_2")).told == []


def test_a_no_show_is_released_without_a_lost_event() -> None:
    play = seated(Patience(grace=60, no_show=30))
    assert play.member().deadline == at(32)
    play.second = 31
    play(deadline(at(32), "no_show"))
    assert play.told == []
    assert play.member().seat.release == Release("no_show", "command")  # type: ignore[union-attr]


def test_the_no_show_deadline_runs_only_while_the_room_is_live() -> None:
    play = Play(Patience(grace=60, no_show=30))(stage_changed("idle"), accepted())
    assert play.member().deadline is None
    assert play(stage_changed("live")).member().deadline == at(33)
    assert play(stage_changed("waitingReconnect")).member().deadline is None


def test_a_connected_co_host_has_no_no_show_deadline() -> None:
    play = seated(Patience(grace=60, no_show=30))(joined(co_host()))
    assert play.member().deadline is None
    assert play(stage_changed("idle"), stage_changed("live")).member().deadline is None


def test_without_a_no_show_time_a_seat_has_no_deadline() -> None:
    assert seated().member().deadline is None


def test_tracks_come_and_go_with_their_participant() -> None:
    play = seated()(joined(co_host()), published(), published(track=track("TR_2", "camera")))
    assert play.member().presence.tracks == (track(), track("TR_2", "camera"))
    play(signals.TrackUnpublished(room_id=ROOM, room_sid="RM_1", user_id="bob", sid="PA_1", track_sid="TR_1"))
    assert play.member().presence.tracks == (track("TR_2", "camera"),)
    assert play(published(sid="PA_0")).member().presence.tracks == (track("TR_2", "camera"),)
    assert play(gone()).member().presence.tracks == ()


def test_participants_missing_after_a_room_ends_count_as_disconnected() -> None:
    play = seated()(joined(co_host()), signals.RoomFinished(room_id=ROOM, room_sid="RM_1"))
    assert play.told == [there(events.CoHostConnected, 4)]
    assert play(compared(position=5)).told == [there(events.CoHostConnected, 4)]
    assert play(compared(position=6)).told == [there(events.CoHostConnected, 4), dropped(7)]


@pytest.mark.parametrize("sight", [gone(reason="moved"), signals.RoomFinished(room_id=ROOM, room_sid="RM_1")])
def test_a_return_after_a_move_or_restart_is_not_a_disconnect(sight: Message) -> None:
    play = seated()(joined(co_host()), sight, joined(co_host(sid="PA_2"), "RM_2"), compared(look="look-9"))
    assert play.told == [there(events.CoHostConnected, 4)]
    assert play.member().presence.sid == "PA_2"


def test_a_move_without_a_join_is_a_disconnect_at_the_next_snapshot() -> None:
    play = seated()(joined(co_host()), gone(reason="moved"))
    assert play(compared()).told == [there(events.CoHostConnected, 4), dropped(6)]


def test_a_joining_participant_is_neither_connected_nor_gone() -> None:
    coming = co_host(sid="PA_2", connected=False)
    play = seated(Patience(grace=60, no_show=30))(compared(coming, look="look-1"))
    assert (play.told, play.member().deadline) == ([], at(32))
    play(joined(co_host()), gone(reason="moved"), compared(coming, look="look-2"))
    assert play.told == [there(events.CoHostConnected, 5)]


def test_a_joining_user_with_excess_permissions_is_a_suspect() -> None:
    assert seated()(compared(co_host("mallory", connected=False))).member("mallory").suspect


def test_webhooks_of_a_finished_livekit_room_are_ignored() -> None:
    play = seated()(signals.RoomFinished(room_id=ROOM, room_sid="RM_1"), joined(co_host()), published())
    assert play.told == []


def test_the_end_of_another_livekit_room_disconnects_nobody() -> None:
    play = seated()(joined(co_host()), signals.RoomFinished(room_id=ROOM, room_sid="RM_0"))
    assert play.told == [there(events.CoHostConnected, 4)]


def test_a_closed_room_gives_no_disconnect_events() -> None:
    play = seated()(joined(co_host()), stage_changed("ended"), gone(), left(reason="room_ended")).deleted()
    assert [type(event) for event in play.told] == [events.CoHostConnected, events.GrantRevoked]


def test_a_join_with_wrong_permissions_is_corrected() -> None:
    play = seated()
    assert not play(joined(co_host())).member().pending
    assert play(joined(participant(sid="PA_2"))).member().pending


def test_a_join_during_a_call_reapplies_the_permissions() -> None:
    play = seated()(left())
    version = play.member().version
    assert play(joined(co_host())).member().version > version
    assert play.applied().told[-1] == events.GrantRevoked(
        room_id=ROOM,
        user_id="bob",
        invitation_id="invitation-1",
        reason="left",
        mode="in_place",
        revoked_at=at(6),
    )
