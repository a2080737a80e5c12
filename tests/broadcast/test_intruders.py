"""Permissions without a seat are checked, revoked and published once."""

from typing import Any

import pytest

from cohost_schemas import events, signals
from services.broadcast.domain import permissions
from services.broadcast.domain.state import Stage
from tests.broadcast.scenes import (
    HOST,
    ROOM,
    Play,
    accepted,
    at,
    co_host,
    joined,
    left,
    participant,
    published,
    stage_changed,
    track,
)


def removed(second: int, action: Any = "demoted", user_id: str = "mallory") -> events.IntruderRemoved:
    return events.IntruderRemoved(room_id=ROOM, user_id=user_id, action=action, at=at(second))


def show() -> Play:
    return Play()(stage_changed())


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
    assert show()(joined(intruder)).applied("mallory").told == [removed(3)]


def test_a_track_without_a_seat_is_checked() -> None:
    assert show()(published("mallory")).applied("mallory").told == [removed(3)]


@pytest.mark.parametrize("mode", ["clean", "absent"])
def test_a_user_without_excess_permissions_is_not_an_intruder(mode: Any) -> None:
    script = show()(published("mallory")).applied("mallory", mode=mode)
    assert script.told == []
    assert script.stage.members == {}  # type: ignore[union-attr]


@pytest.mark.parametrize(("mode", "action"), [("clean", "demoted"), ("absent", "removed")])
def test_a_confirmed_intruder_counts_even_if_already_gone(mode: Any, action: Any) -> None:
    script = show()(joined(co_host("mallory")), seen(1), published("mallory")).applied("mallory", mode=mode)
    assert script.told == [removed(5, action)]
    assert script.stage.members == {}  # type: ignore[union-attr]


def test_a_confirmed_intruder_with_a_new_seat_is_not_an_intruder() -> None:
    script = show()(joined(co_host()), seen(1, "bob"), accepted(), seen(1, "bob")).applied()
    assert [type(event) for event in script.told] == [events.GrantProvisioned]
    assert not script.member().confirmed_intruder


def seen(version: int, user_id: str = "mallory") -> signals.IntruderSeen:
    return signals.IntruderSeen(room_id=ROOM, user_id=user_id, version=version)


def test_an_intruder_who_cannot_be_demoted_is_removed() -> None:
    script = show()(joined(co_host("mallory"))).applied("mallory", mode="removed")
    assert script.told == [removed(3, "removed")]


def test_repeated_webhooks_give_one_removal() -> None:
    script = show()(joined(co_host("mallory")), joined(co_host("mallory")), published("mallory"))
    script.applied("mallory")(published("mallory")).applied("mallory", mode="clean")
    assert script.told == [removed(5)]


def test_an_intruder_returning_with_an_old_token_is_removed_again() -> None:
    script = show()(joined(co_host("mallory"))).applied("mallory")
    script(joined(co_host("mallory", sid="PA_2"))).applied("mallory")
    assert script.told == [removed(3), removed(5)]


def test_a_former_co_host_being_revoked_is_not_an_intruder() -> None:
    script = Play()(stage_changed(), accepted()).applied()(left(), published(), joined(co_host())).applied()
    assert [type(event) for event in script.told] == [events.GrantProvisioned, events.GrantRevoked]


def test_a_former_co_host_with_an_old_token_is_an_intruder() -> None:
    script = Play()(stage_changed(), accepted()).applied()(left()).applied()
    script.since()
    assert script(joined(co_host())).applied().told == [removed(7, user_id="bob")]


def test_a_suspect_with_a_new_seat_is_not_an_intruder() -> None:
    script = show()(joined(co_host()), accepted()).applied()
    assert [type(event) for event in script.told] == [events.GrantProvisioned]


def test_a_former_host_being_revoked_is_not_an_intruder() -> None:
    script = Play()(stage_changed(), stage_changed(host="carol"), published(HOST)).applied(HOST)
    assert script.told == []


def test_an_identity_that_is_no_user_id_is_removed_without_an_event() -> None:
    script = show()(joined(co_host("mal lory/")))
    assert script.member("mal lory/").is_out_of_sync
    assert script.applied("mal lory/").told == []
    assert script.stage.members == {}  # type: ignore[union-attr]


def test_a_join_in_a_closed_room_deletes_it_again() -> None:
    script = show()(stage_changed("ended")).deleted("RM_1")
    assert wish(script(joined(co_host("mallory")))) is None
    assert wish(script(joined(co_host("mallory"), "RM_2"))) is not None
    assert wish(script(published("mallory"))) is not None
    assert script.deleted("RM_2").told == []


def wish(script: Play) -> int | None:
    assert isinstance(script.stage, Stage)
    return script.stage.room.deletion_version
