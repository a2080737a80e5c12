"""Connections of co-hosts, the grace period after a disconnect, and webhooks in any order."""

from typing import Any

import pytest

from cohost_schemas import events, signals
from cohost_schemas.types import Message
from services.broadcast.domain.state import Presence, ReleaseRequest, SeatTimeouts
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


def seated(timeouts: SeatTimeouts | None = None) -> Play:
    script = Play(timeouts or SeatTimeouts(grace_seconds=60, no_show_seconds=0))(
        stage_changed(), accepted()
    ).applied(mode="absent")
    script.since()
    return script


def there(kind: Any, second: int) -> Message:
    event: Message = kind(room_id=ROOM, user_id="bob", invitation_id="invitation-1", at=at(second))
    return event


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
    script = seated()(joined(co_host()), gone(), joined(co_host(sid="PA_2")))
    assert script.told == [
        there(events.CoHostConnected, 4),
        dropped(5),
        there(events.CoHostReconnected, 6),
    ]
    assert script.member().seat_deadline is None


def test_repeated_webhooks_give_one_event() -> None:
    script = seated()(joined(co_host()), joined(co_host()), gone(), gone())
    assert script.told == [there(events.CoHostConnected, 4), dropped(6)]


def test_a_late_join_of_an_ended_connection_is_ignored() -> None:
    script = seated()(joined(co_host()), gone(), joined(co_host()))
    assert script.told == [there(events.CoHostConnected, 4), dropped(5)]


def test_the_end_of_an_older_connection_is_not_a_disconnect() -> None:
    script = seated()(joined(co_host()), joined(co_host(sid="PA_2")), gone(sid="PA_1"))
    assert script.told == [there(events.CoHostConnected, 4)]
    assert script.member().presence.sid == "PA_2"


def test_webhooks_repeated_by_another_copy_take_effect_once() -> None:
    script = seated()
    webhooks = [joined(co_host()), gone(), joined(co_host(sid="PA_2")), gone(sid="PA_2")]
    for number, webhook in enumerate(webhooks):
        script.decide(webhook, f"EV_{number}")
    expected = [*script.told]
    before = script.stage
    for number, webhook in enumerate(webhooks):
        script.decide(webhook, f"EV_{number}")
    assert (script.told, script.stage) == (expected, before)


def test_late_joins_revive_none_of_the_ended_connections() -> None:
    script = seated()
    for number in range(4):
        script(joined(co_host(sid=f"PA_{number}")), gone(sid=f"PA_{number}"))
    expected = [*script.told]
    assert script(*(joined(co_host(sid=f"PA_{number}")) for number in range(4))).told == expected


def test_a_replaced_connection_does_not_return_after_its_end() -> None:
    script = seated()(joined(co_host()), joined(co_host(sid="PA_2")), gone(sid="PA_1"), joined(co_host()))
    assert script.member().presence.sid == "PA_2"


def test_the_number_of_remembered_webhooks_is_limited() -> None:
    script = seated()
    for number in range(200):
        script(joined(co_host(sid=f"PA_{number}")))
    assert script.stage is not None
    assert len(script.stage.room.recent_webhook_ids) == 64
    assert len(script.member().presence.ended_sids) <= 8


def test_a_moved_connection_is_not_a_disconnect() -> None:
    assert seated()(joined(co_host()), gone(reason="moved")).told == [there(events.CoHostConnected, 4)]


def test_an_end_reported_before_its_join_leaves_no_connection() -> None:
    assert seated()(gone(), joined(co_host())).told == []


def test_a_hosts_connection_is_stored_without_an_event() -> None:
    script = seated()(joined(participant(HOST, "PA_9"))).applied(HOST)(gone(HOST, "PA_9"))
    assert script.told == []
    assert script.member(HOST).presence == Presence("disconnected", ended_sids=("PA_9",), changed_at_offset=6)


def test_viewer_connections_are_ignored() -> None:
    script = seated()
    before = script.stage
    assert script(joined(participant("vera")), gone("vera")).stage == before


def test_the_seat_is_released_after_the_grace_period() -> None:
    script = seated()(joined(co_host()), gone())
    due = script.member().seat_deadline
    assert due == at(65)
    script.since()
    script.second = 64
    script(deadline(due), deadline(due))
    assert script.told == [there(events.CoHostLost, 65)]
    assert script.member().seat.release == ReleaseRequest("connection_lost", "command")  # type: ignore[union-attr]


def test_a_deadline_reported_early_by_a_fast_clock_is_ignored() -> None:
    script = seated()(joined(co_host()), gone())
    before = script.stage
    script.second = 63
    assert script(deadline(at(65))).stage == before
    assert script(deadline(at(65))).stage != before


def test_a_deadline_is_ignored_after_the_co_host_reconnects() -> None:
    script = seated()(joined(co_host()), gone())
    due = script.member().seat_deadline
    assert due is not None
    script(joined(co_host(sid="PA_2")))
    before = script.stage
    assert script(deadline(due)).stage == before


def test_a_deadline_of_another_seat_is_ignored() -> None:
    script = seated()(joined(co_host()), gone())
    before = script.stage
    assert script(deadline(script.member().seat_deadline or "", invitation_id="invitation-0")).stage == before


def test_a_released_seat_gives_no_connection_events() -> None:
    script = seated()(joined(co_host()), gone())
    script.second = 64
    script(deadline(script.member().seat_deadline or ""))
    script.since()
    assert script(joined(co_host(sid="PA_2")), gone(sid="PA_2")).told == []


def test_a_no_show_is_released_without_a_lost_event() -> None:
    script = seated(SeatTimeouts(grace_seconds=60, no_show_seconds=30))
    assert script.member().seat_deadline == at(32)
    script.second = 31
    script(deadline(at(32), "no_show"))
    assert script.told == []
    assert script.member().seat.release == ReleaseRequest("no_show", "command")  # type: ignore[union-attr]


def test_the_no_show_deadline_runs_only_while_the_room_is_live() -> None:
    script = Play(SeatTimeouts(grace_seconds=60, no_show_seconds=30))(stage_changed("idle"), accepted())
    assert script.member().seat_deadline is None
    assert script(stage_changed("live")).member().seat_deadline == at(33)
    assert script(stage_changed("waitingReconnect")).member().seat_deadline is None


def test_a_connected_co_host_has_no_no_show_deadline() -> None:
    script = seated(SeatTimeouts(grace_seconds=60, no_show_seconds=30))(joined(co_host()))
    assert script.member().seat_deadline is None
    assert script(stage_changed("idle"), stage_changed("live")).member().seat_deadline is None


def test_without_a_no_show_time_a_seat_has_no_deadline() -> None:
    assert seated().member().seat_deadline is None


def test_tracks_come_and_go_with_their_participant() -> None:
    script = seated()(joined(co_host()), published(), published(track=track("TR_2", "camera")))
    assert script.member().presence.tracks == (track(), track("TR_2", "camera"))
    script(
        signals.TrackUnpublished(room_id=ROOM, room_sid="RM_1", user_id="bob", sid="PA_1", track_sid="TR_1")
    )
    assert script.member().presence.tracks == (track("TR_2", "camera"),)
    assert script(published(sid="PA_0")).member().presence.tracks == (track("TR_2", "camera"),)
    assert script(gone()).member().presence.tracks == ()


def test_participants_missing_after_a_room_ends_count_as_disconnected() -> None:
    script = seated()(joined(co_host()), signals.RoomFinished(room_id=ROOM, room_sid="RM_1"))
    assert script.told == [there(events.CoHostConnected, 4)]
    assert script(compared(position=5)).told == [there(events.CoHostConnected, 4)]
    assert script(compared(position=6)).told == [there(events.CoHostConnected, 4), dropped(7)]


@pytest.mark.parametrize(
    "webhook", [gone(reason="moved"), signals.RoomFinished(room_id=ROOM, room_sid="RM_1")]
)
def test_a_return_after_a_move_or_restart_is_not_a_disconnect(webhook: Message) -> None:
    script = seated()(
        joined(co_host()), webhook, joined(co_host(sid="PA_2"), "RM_2"), compared(look="look-9")
    )
    assert script.told == [there(events.CoHostConnected, 4)]
    assert script.member().presence.sid == "PA_2"


def test_a_move_without_a_join_is_a_disconnect_at_the_next_snapshot() -> None:
    script = seated()(joined(co_host()), gone(reason="moved"))
    assert script(compared()).told == [there(events.CoHostConnected, 4), dropped(6)]


def test_a_joining_participant_is_neither_connected_nor_gone() -> None:
    coming = co_host(sid="PA_2", connected=False)
    script = seated(SeatTimeouts(grace_seconds=60, no_show_seconds=30))(compared(coming, look="look-1"))
    assert (script.told, script.member().seat_deadline) == ([], at(32))
    script(joined(co_host()), gone(reason="moved"), compared(coming, look="look-2"))
    assert script.told == [there(events.CoHostConnected, 5)]


def test_a_joining_user_with_excess_permissions_is_a_suspect() -> None:
    assert seated()(compared(co_host("mallory", connected=False))).member("mallory").suspect


def test_webhooks_of_a_finished_livekit_room_are_ignored() -> None:
    script = seated()(signals.RoomFinished(room_id=ROOM, room_sid="RM_1"), joined(co_host()), published())
    assert script.told == []


def test_the_end_of_another_livekit_room_disconnects_nobody() -> None:
    script = seated()(joined(co_host()), signals.RoomFinished(room_id=ROOM, room_sid="RM_0"))
    assert script.told == [there(events.CoHostConnected, 4)]


def test_a_closed_room_gives_no_disconnect_events() -> None:
    script = seated()(joined(co_host()), stage_changed("ended"), gone(), left(reason="room_ended")).deleted()
    assert [type(event) for event in script.told] == [events.CoHostConnected, events.GrantRevoked]


def test_a_join_with_wrong_permissions_is_corrected() -> None:
    script = seated()
    assert not script(joined(co_host())).member().is_out_of_sync
    assert script(joined(participant(sid="PA_2"))).member().is_out_of_sync


def test_a_join_during_a_call_reapplies_the_permissions() -> None:
    script = seated()(left())
    version = script.member().desired_version
    assert script(joined(co_host())).member().desired_version > version
    assert script.applied().told[-1] == events.GrantRevoked(
        room_id=ROOM,
        user_id="bob",
        invitation_id="invitation-1",
        reason="left",
        mode="in_place",
        revoked_at=at(6),
    )
