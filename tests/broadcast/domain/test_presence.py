"""Connections of co-hosts, the grace period after a disconnect, and webhooks in any order."""

from typing import Any

import pytest

from cohost_schemas import events, signals
from cohost_schemas.types import Message
from services.broadcast.domain.state import Presence, ReleaseRequest, SeatTimeouts
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    StageScript,
    co_host_left,
    co_host_participant,
    invitation_accepted,
    participant,
    participant_joined,
    participant_left,
    room_compared,
    stage_changed,
    time_at,
    track,
    track_published,
)


def seated_script(timeouts: SeatTimeouts | None = None) -> StageScript:
    script = StageScript(timeouts or SeatTimeouts(grace_seconds=60, no_show_seconds=0))(
        stage_changed(), invitation_accepted()
    ).apply_grant(mode="absent")
    script.take_new_events()
    return script


def connection_event(kind: Any, second: int) -> Message:
    event: Message = kind(room_id=ROOM, user_id="bob", invitation_id="invitation-1", at=time_at(second))
    return event


def co_host_disconnected(second: int, grace: int = 60) -> Message:
    return events.CoHostDisconnected(
        room_id=ROOM,
        user_id="bob",
        invitation_id="invitation-1",
        at=time_at(second),
        grace_ends_at=time_at(second + grace),
    )


def deadline_reached(
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
    script = seated_script()(
        participant_joined(co_host_participant()),
        participant_left(),
        participant_joined(co_host_participant(sid="PA_2")),
    )
    assert script.events == [
        connection_event(events.CoHostConnected, 4),
        co_host_disconnected(5),
        connection_event(events.CoHostReconnected, 6),
    ]
    assert script.member_of().seat_deadline is None


def test_repeated_webhooks_give_one_event() -> None:
    script = seated_script()(
        participant_joined(co_host_participant()),
        participant_joined(co_host_participant()),
        participant_left(),
        participant_left(),
    )
    assert script.events == [connection_event(events.CoHostConnected, 4), co_host_disconnected(6)]


def test_a_late_join_of_an_ended_connection_is_ignored() -> None:
    script = seated_script()(
        participant_joined(co_host_participant()),
        participant_left(),
        participant_joined(co_host_participant()),
    )
    assert script.events == [connection_event(events.CoHostConnected, 4), co_host_disconnected(5)]


def test_the_end_of_an_older_connection_is_not_a_disconnect() -> None:
    script = seated_script()(
        participant_joined(co_host_participant()),
        participant_joined(co_host_participant(sid="PA_2")),
        participant_left(sid="PA_1"),
    )
    assert script.events == [connection_event(events.CoHostConnected, 4)]
    assert script.member_of().presence.sid == "PA_2"


def test_webhooks_repeated_by_another_copy_take_effect_once() -> None:
    script = seated_script()
    webhooks = [
        participant_joined(co_host_participant()),
        participant_left(),
        participant_joined(co_host_participant(sid="PA_2")),
        participant_left(sid="PA_2"),
    ]
    for number, webhook in enumerate(webhooks):
        script.decide_record(webhook, f"EV_{number}")
    expected = [*script.events]
    before = script.stage
    for number, webhook in enumerate(webhooks):
        script.decide_record(webhook, f"EV_{number}")
    assert (script.events, script.stage) == (expected, before)


def test_late_joins_revive_none_of_the_ended_connections() -> None:
    script = seated_script()
    for number in range(4):
        script(
            participant_joined(co_host_participant(sid=f"PA_{number}")), participant_left(sid=f"PA_{number}")
        )
    expected = [*script.events]
    assert (
        script(*(participant_joined(co_host_participant(sid=f"PA_{number}")) for number in range(4))).events
        == expected
    )


def test_a_replaced_connection_does_not_return_after_its_end() -> None:
    script = seated_script()(
        participant_joined(co_host_participant()),
        participant_joined(co_host_participant(sid="PA_2")),
        participant_left(sid="PA_1"),
        participant_joined(co_host_participant()),
    )
    assert script.member_of().presence.sid == "PA_2"


def test_the_number_of_remembered_webhooks_is_limited() -> None:
    script = seated_script()
    for number in range(200):
        script(participant_joined(co_host_participant(sid=f"PA_{number}")))
    assert script.stage is not None
    assert len(script.stage.room.recent_webhook_ids) == 64
    assert len(script.member_of().presence.ended_sids) <= 8


def test_a_moved_connection_is_not_a_disconnect() -> None:
    assert seated_script()(
        participant_joined(co_host_participant()), participant_left(reason="moved")
    ).events == [connection_event(events.CoHostConnected, 4)]


def test_an_end_reported_before_its_join_leaves_no_connection() -> None:
    assert seated_script()(participant_left(), participant_joined(co_host_participant())).events == []


def test_a_hosts_connection_is_stored() -> None:
    script = seated_script()(participant_joined(participant(HOST, "PA_9"))).apply_grant(HOST)(
        participant_left(HOST, "PA_9")
    )
    assert script.member_of(HOST).presence == Presence(
        "disconnected", ended_sids=("PA_9",), changed_at_offset=6, since=time_at(6)
    )


def test_viewer_connections_are_ignored() -> None:
    script = seated_script()
    before = script.stage
    assert script(participant_joined(participant("vera")), participant_left("vera")).stage == before


def test_the_seat_is_released_after_the_grace_period() -> None:
    script = seated_script()(participant_joined(co_host_participant()), participant_left())
    due = script.member_of().seat_deadline
    assert due == time_at(65)
    script.take_new_events()
    script.second = 64
    script(deadline_reached(due), deadline_reached(due))
    assert script.events == [connection_event(events.CoHostLost, 65)]
    assert script.member_of().seat.release == ReleaseRequest("connection_lost", "command")  # type: ignore[union-attr]


def test_a_deadline_reported_early_by_a_fast_clock_is_ignored() -> None:
    script = seated_script()(participant_joined(co_host_participant()), participant_left())
    before = script.stage
    script.second = 63
    assert script(deadline_reached(time_at(65))).stage == before
    assert script(deadline_reached(time_at(65))).stage != before


def test_a_deadline_is_ignored_after_the_co_host_reconnects() -> None:
    script = seated_script()(participant_joined(co_host_participant()), participant_left())
    due = script.member_of().seat_deadline
    assert due is not None
    script(participant_joined(co_host_participant(sid="PA_2")))
    before = script.stage
    assert script(deadline_reached(due)).stage == before


def test_a_deadline_of_another_seat_is_ignored() -> None:
    script = seated_script()(participant_joined(co_host_participant()), participant_left())
    before = script.stage
    assert (
        script(deadline_reached(script.member_of().seat_deadline or "", invitation_id="invitation-0")).stage
        == before
    )


def test_a_released_seat_gives_no_connection_events() -> None:
    script = seated_script()(participant_joined(co_host_participant()), participant_left())
    script.second = 64
    script(deadline_reached(script.member_of().seat_deadline or ""))
    script.take_new_events()
    assert (
        script(participant_joined(co_host_participant(sid="PA_2")), participant_left(sid="PA_2")).events == []
    )


def test_a_no_show_is_released_without_a_lost_event() -> None:
    script = seated_script(SeatTimeouts(grace_seconds=60, no_show_seconds=30))
    assert script.member_of().seat_deadline == time_at(32)
    script.second = 31
    script(deadline_reached(time_at(32), "no_show"))
    assert script.events == []
    assert script.member_of().seat.release == ReleaseRequest("no_show", "command")  # type: ignore[union-attr]


def test_the_no_show_deadline_runs_only_while_the_room_is_live() -> None:
    script = StageScript(SeatTimeouts(grace_seconds=60, no_show_seconds=30))(
        stage_changed("idle"), invitation_accepted()
    )
    assert script.member_of().seat_deadline is None
    assert script(stage_changed("live")).member_of().seat_deadline == time_at(33)
    assert script(stage_changed("waitingReconnect")).member_of().seat_deadline is None


def test_a_connected_co_host_has_no_no_show_deadline() -> None:
    script = seated_script(SeatTimeouts(grace_seconds=60, no_show_seconds=30))(
        participant_joined(co_host_participant())
    )
    assert script.member_of().seat_deadline is None
    assert script(stage_changed("idle"), stage_changed("live")).member_of().seat_deadline is None


def test_without_a_no_show_time_a_seat_has_no_deadline() -> None:
    assert seated_script().member_of().seat_deadline is None


def test_tracks_come_and_go_with_their_participant() -> None:
    script = seated_script()(
        participant_joined(co_host_participant()),
        track_published(),
        track_published(track=track("TR_2", "camera")),
    )
    assert script.member_of().presence.tracks == (track(), track("TR_2", "camera"))
    script(
        signals.TrackUnpublished(room_id=ROOM, room_sid="RM_1", user_id="bob", sid="PA_1", track_sid="TR_1")
    )
    assert script.member_of().presence.tracks == (track("TR_2", "camera"),)
    assert script(track_published(sid="PA_0")).member_of().presence.tracks == (track("TR_2", "camera"),)
    assert script(participant_left()).member_of().presence.tracks == ()


def test_participants_missing_after_a_room_ends_count_as_disconnected() -> None:
    script = seated_script()(
        participant_joined(co_host_participant()), signals.RoomFinished(room_id=ROOM, room_sid="RM_1")
    )
    assert script.events == [connection_event(events.CoHostConnected, 4)]
    assert script(room_compared(position=5)).events == [connection_event(events.CoHostConnected, 4)]
    assert script(room_compared(position=6)).events == [
        connection_event(events.CoHostConnected, 4),
        co_host_disconnected(7),
    ]


@pytest.mark.parametrize(
    "webhook", [participant_left(reason="moved"), signals.RoomFinished(room_id=ROOM, room_sid="RM_1")]
)
def test_a_return_after_a_move_or_restart_is_not_a_disconnect(webhook: Message) -> None:
    script = seated_script()(
        participant_joined(co_host_participant()),
        webhook,
        participant_joined(co_host_participant(sid="PA_2"), "RM_2"),
        room_compared(look_id="look-9"),
    )
    assert script.events == [connection_event(events.CoHostConnected, 4)]
    assert script.member_of().presence.sid == "PA_2"


def test_a_move_without_a_join_is_a_disconnect_at_the_next_snapshot() -> None:
    script = seated_script()(participant_joined(co_host_participant()), participant_left(reason="moved"))
    assert script(room_compared()).events == [
        connection_event(events.CoHostConnected, 4),
        co_host_disconnected(6),
    ]


def test_a_joining_participant_is_neither_connected_nor_gone() -> None:
    coming = co_host_participant(sid="PA_2", connected=False)
    script = seated_script(SeatTimeouts(grace_seconds=60, no_show_seconds=30))(
        room_compared(coming, look_id="look-1")
    )
    assert (script.events, script.member_of().seat_deadline) == ([], time_at(32))
    script(
        participant_joined(co_host_participant()),
        participant_left(reason="moved"),
        room_compared(coming, look_id="look-2"),
    )
    assert script.events == [connection_event(events.CoHostConnected, 5)]


def test_a_joining_user_with_excess_permissions_is_a_suspect() -> None:
    assert (
        seated_script()(room_compared(co_host_participant("mallory", connected=False)))
        .member_of("mallory")
        .suspect
    )


def test_webhooks_of_a_finished_livekit_room_are_ignored() -> None:
    script = seated_script()(
        signals.RoomFinished(room_id=ROOM, room_sid="RM_1"),
        participant_joined(co_host_participant()),
        track_published(),
    )
    assert script.events == []


def test_webhooks_of_several_finished_livekit_rooms_are_ignored() -> None:
    finished = [f"RM_{number}" for number in range(1, 5)]
    script = seated_script()
    for sid in finished:
        script = script(signals.RoomFinished(room_id=ROOM, room_sid=sid))
    for sid in finished:
        script = script(participant_joined(co_host_participant(), sid))
    assert script.events == []
    assert script(participant_joined(co_host_participant(), "RM_5")).events != []


def test_the_end_of_another_livekit_room_disconnects_nobody() -> None:
    script = seated_script()(
        participant_joined(co_host_participant()), signals.RoomFinished(room_id=ROOM, room_sid="RM_0")
    )
    assert script.events == [connection_event(events.CoHostConnected, 4)]


def test_a_closed_room_gives_no_disconnect_events() -> None:
    script = seated_script()(
        participant_joined(co_host_participant()),
        stage_changed("ended"),
        participant_left(),
        co_host_left(reason="room_ended"),
    ).delete_livekit_room()
    assert [type(event) for event in script.events] == [events.CoHostConnected, events.GrantRevoked]


def test_a_join_with_wrong_permissions_is_corrected() -> None:
    script = seated_script()
    assert not script(participant_joined(co_host_participant())).member_of().is_out_of_sync
    assert script(participant_joined(participant(sid="PA_2"))).member_of().is_out_of_sync


def test_a_join_during_a_call_reapplies_the_permissions() -> None:
    script = seated_script()(co_host_left())
    version = script.member_of().desired_version
    assert script(participant_joined(co_host_participant())).member_of().desired_version > version
    assert script.apply_grant().events[-1] == events.GrantRevoked(
        room_id=ROOM,
        user_id="bob",
        invitation_id="invitation-1",
        reason="left",
        mode="in_place",
        revoked_at=time_at(6),
    )
