"""Permissions without a seat are checked, revoked and published once."""

from typing import Any

import pytest

from cohost_schemas import events, signals
from services.broadcast.domain import permissions
from services.broadcast.domain.state import Intrusion, Stage
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    StageScript,
    co_host_left,
    co_host_participant,
    grant_applied,
    invitation_accepted,
    participant,
    participant_joined,
    room_compared,
    stage_changed,
    time_at,
    track,
    track_published,
)


def intruder_removed(
    second: int, action: Any = "demoted", identity: str = "mallory", user_id: str | None = "mallory"
) -> events.IntruderRemoved:
    return events.IntruderRemoved(
        room_id=ROOM, identity=identity, user_id=user_id, action=action, at=time_at(second)
    )


def live_room() -> StageScript:
    return StageScript()(stage_changed())


@pytest.mark.parametrize(
    "intruder",
    [
        participant("mallory", permissions=permissions.for_badge("coHost")),
        participant("mallory", badge="host"),
        participant("mallory", can_update_metadata=True),
        participant("mallory", tracks=(track(),)),
    ],
)
def test_a_user_with_more_than_viewer_permissions_is_demoted(intruder: signals.Participant) -> None:
    assert live_room()(participant_joined(intruder)).apply_grant("mallory").events == [intruder_removed(3)]


def test_a_track_without_a_seat_is_checked() -> None:
    assert live_room()(track_published("mallory")).apply_grant("mallory").events == [intruder_removed(3)]


@pytest.mark.parametrize("mode", ["clean", "absent"])
def test_a_user_without_excess_permissions_is_not_an_intruder(mode: Any) -> None:
    script = live_room()(track_published("mallory")).apply_grant("mallory", mode=mode)
    assert script.events == []
    assert script.stage.members == {}  # type: ignore[union-attr]


@pytest.mark.parametrize(("mode", "action"), [("clean", "demoted"), ("absent", "removed")])
def test_a_confirmed_intruder_counts_even_if_already_gone(mode: Any, action: Any) -> None:
    script = live_room()(
        participant_joined(co_host_participant("mallory")), intruder_seen(1), track_published("mallory")
    ).apply_grant("mallory", mode=mode)
    assert script.events == [intruder_removed(5, action)]
    assert script.stage.members == {}  # type: ignore[union-attr]


def test_a_confirmed_intruder_with_a_new_seat_is_not_an_intruder() -> None:
    script = live_room()(
        participant_joined(co_host_participant()),
        intruder_seen(1, "bob"),
        invitation_accepted(),
        intruder_seen(1, "bob"),
    ).apply_grant()
    assert [type(event) for event in script.events] == [events.GrantProvisioned]
    assert not script.member_of().confirmed_intruder


def intruder_seen(version: int, user_id: str = "mallory") -> signals.IntruderSeen:
    return signals.IntruderSeen(room_id=ROOM, user_id=user_id, version=version)


def test_an_intruder_who_cannot_be_demoted_is_removed() -> None:
    script = live_room()(participant_joined(co_host_participant("mallory"))).apply_grant(
        "mallory", mode="removed"
    )
    assert script.events == [intruder_removed(3, "removed")]


def test_repeated_webhooks_give_one_removal() -> None:
    script = live_room()(
        participant_joined(co_host_participant("mallory")),
        participant_joined(co_host_participant("mallory")),
        track_published("mallory"),
    )
    script.apply_grant("mallory")(track_published("mallory")).apply_grant("mallory", mode="clean")
    assert script.events == [intruder_removed(5)]


def test_an_intruder_returning_with_an_old_token_is_removed_again() -> None:
    script = live_room()(participant_joined(co_host_participant("mallory"))).apply_grant("mallory")
    script(participant_joined(co_host_participant("mallory", sid="PA_2"))).apply_grant("mallory")
    assert script.events == [intruder_removed(3), intruder_removed(5)]


def test_a_former_co_host_being_revoked_is_not_an_intruder() -> None:
    script = (
        StageScript()(stage_changed(), invitation_accepted())
        .apply_grant()(co_host_left(), track_published(), participant_joined(co_host_participant()))
        .apply_grant()
    )
    assert [type(event) for event in script.events] == [events.GrantProvisioned, events.GrantRevoked]


def test_a_former_co_host_with_an_old_token_is_an_intruder() -> None:
    script = StageScript()(stage_changed(), invitation_accepted()).apply_grant()(co_host_left()).apply_grant()
    script.take_new_events()
    assert script(participant_joined(co_host_participant())).apply_grant().events == [
        intruder_removed(7, identity="bob", user_id="bob")
    ]


def test_a_suspect_with_a_new_seat_is_not_an_intruder() -> None:
    script = live_room()(participant_joined(co_host_participant()), invitation_accepted()).apply_grant()
    assert [type(event) for event in script.events] == [events.GrantProvisioned]


def test_a_suspect_who_becomes_host_is_not_an_intruder() -> None:
    script = live_room()(participant_joined(co_host_participant("mallory")), stage_changed(host="mallory"))
    assert not script.member_of("mallory").suspect
    shown = participant("mallory", permissions=permissions.for_badge("host"), badge="host")
    hosted = script.apply_grant("mallory", participant=shown)
    assert [type(event) for event in hosted.events] == [events.HostConnected]


def test_a_former_host_being_revoked_is_not_an_intruder() -> None:
    script = StageScript()(stage_changed(), stage_changed(host="carol"), track_published(HOST)).apply_grant(
        HOST
    )
    assert script.events == []


@pytest.mark.parametrize("identity", ["mallory!", "sip_+15550100", 65 * "x", "bob#viewer", 256 * "ä"])
def test_an_intruder_whose_identity_is_no_id_is_published_without_a_user(identity: str) -> None:
    script = live_room()(participant_joined(co_host_participant(identity))).apply_grant(identity)
    assert script.events == [intruder_removed(3, identity=identity, user_id=None)]
    assert script.stage.members == {}  # type: ignore[union-attr]


def test_the_published_identity_is_cut_at_256_code_points() -> None:
    script = live_room()(participant_joined(co_host_participant(300 * "ä"))).apply_grant(300 * "ä")
    assert script.events == [intruder_removed(3, identity=256 * "ä", user_id=None)]


@pytest.mark.parametrize(("mode", "action"), [("clean", "demoted"), ("absent", "removed")])
def test_a_join_with_rights_is_an_intrusion_even_if_already_over(mode: Any, action: Any) -> None:
    script = live_room()(participant_joined(co_host_participant("mallory"))).apply_grant("mallory", mode=mode)
    assert script.events == [intruder_removed(3, action)]


def test_a_late_join_from_before_the_seats_end_is_no_intrusion() -> None:
    script = StageScript()(stage_changed(), invitation_accepted()).apply_grant()(co_host_left()).apply_grant()
    script.take_new_events()
    script(participant_joined(co_host_participant())).apply_grant(mode="absent")
    assert script.events == []


def test_each_connection_that_intrudes_is_published_once() -> None:
    script = live_room()(participant_joined(co_host_participant("mallory")))
    script(participant_joined(co_host_participant("mallory", sid="PA_2")))
    version = script.member_of("mallory").desired_version
    for applied in (version - 1, version - 1, version):
        script(grant_applied(applied, "mallory"))
    assert script.events == [intruder_removed(4), intruder_removed(6)]


def test_the_join_of_a_connection_that_was_demoted_while_joining_is_not_another_intrusion() -> None:
    joining = co_host_participant("mallory", connected=False)
    script = live_room()(room_compared(joining)).apply_grant("mallory", sid="PA_1")
    script(participant_joined(co_host_participant("mallory"))).apply_grant("mallory", mode="clean")
    assert script.events == [intruder_removed(3)]


def test_an_intrusion_is_remembered_for_an_hour() -> None:
    script = live_room()(participant_joined(co_host_participant("mallory"))).apply_grant("mallory")
    assert isinstance(script.stage, Stage)
    room = script.stage.room
    assert room.has_intruded("mallory", time_at(3602))
    assert not room.has_intruded("mallory", time_at(3603))
    assert not room.has_intruded("bob", time_at(4))
    assert room.with_intrusion(Intrusion("bob", "PA_2", time_at(3603))).intrusions == (
        Intrusion("bob", "PA_2", time_at(3603)),
    )


@pytest.mark.parametrize("end", [co_host_left(), stage_changed(host="carol")])
def test_the_end_of_rights_is_remembered(end: Any) -> None:
    script = StageScript()(stage_changed(), invitation_accepted())
    assert isinstance(script.stage, Stage)
    assert script.stage.room.rights_ended_at is None
    assert isinstance(script(end).stage, Stage)
    assert script.stage.room.rights_ended_at == time_at(3)


def test_a_join_in_a_closed_room_deletes_it_again() -> None:
    script = live_room()(stage_changed("ended")).delete_livekit_room("RM_1")
    assert deletion_version(script(participant_joined(co_host_participant("mallory")))) is None
    assert deletion_version(script(participant_joined(co_host_participant("mallory"), "RM_2"))) is not None
    assert deletion_version(script(track_published("mallory"))) is not None
    assert script.delete_livekit_room("RM_2").events == []


def deletion_version(script: StageScript) -> int | None:
    assert isinstance(script.stage, Stage)
    return script.stage.room.deletion_version
