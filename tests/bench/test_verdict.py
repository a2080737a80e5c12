"""The errors that the grants benchmark must find."""

import pytest
from livekit import api
from livekit.protocol import models

from bench.fake_livekit.process import FakeLiveKitState, ParticipantState
from bench.fake_livekit.server import FakeRoomService
from bench.measurements import grant_check
from bench.workload import seat_plan

CO_HOST = tuple(sorted(grant_check.CO_HOST_PERMISSIONS))
MADE = seat_plan.plan_seats("room", rooms=2, seats=3, seed=1)
EVENTS = [(name, seat.id) for seat in MADE.seats for name in ("GrantProvisioned", "CoHostConnected")]
FIRST = MADE.seats[0]


def grant_state(overlaps: int = 0, **changed: tuple[str, ...]) -> FakeLiveKitState:
    holders = {
        seat.participant_key: ParticipantState(changed.get(seat.user_id.replace("-", "_"), CO_HOST), (1.0,))
        for seat in MADE.seats
    }
    return FakeLiveKitState({}, overlaps, holders)


def test_seats_with_permissions_and_events_pass() -> None:
    assert grant_check.find_grant_errors(MADE.seats, EVENTS, grant_state()) == []


@pytest.mark.parametrize(
    ("events", "found"),
    [
        pytest.param(EVENTS[1:], "GrantProvisioned of {}: 0, not 1", id="missing"),
        pytest.param([*EVENTS, EVENTS[0]], "GrantProvisioned of {}: 2, not 1", id="twice"),
        pytest.param([*EVENTS, ("GrantFailed", FIRST.id)], "GrantFailed of {}", id="too much"),
    ],
)
def test_missing_repeated_or_extra_events_fail(events: list[tuple[str, str]], found: str) -> None:
    assert grant_check.find_grant_errors(MADE.seats, events, grant_state()) == [found.format(FIRST.id)]


def test_concurrent_calls_for_one_key_fail() -> None:
    assert grant_check.find_grant_errors(MADE.seats, EVENTS, grant_state(overlaps=1)) == [
        "1 calls of a key while it had another"
    ]


def test_permissions_other_than_a_co_hosts_fail() -> None:
    less = grant_state(**{FIRST.user_id.replace("-", "_"): CO_HOST[1:]})
    assert len(grant_check.find_grant_errors(MADE.seats, EVENTS, less)) == 1


def test_permissions_without_a_seat_fail() -> None:
    assert len(grant_check.find_grant_errors(MADE.seats[1:], EVENTS[2:], grant_state())) == 1


def test_the_fake_livekit_server_records_calls_and_overlaps() -> None:
    service = FakeRoomService(["room-0"])
    wanted = models.ParticipantPermission(can_subscribe=True, can_publish_sources=[models.TrackSource.CAMERA])
    request = api.UpdateParticipantRequest(room="room-0", identity="bob", permission=wanted)
    _, first = service.handle_call("UpdateParticipant", request.SerializeToString())
    _, second = service.handle_call("UpdateParticipant", request.SerializeToString())
    assert first is not None
    assert first is second
    service.update_answered(first)
    assert service.describe_state()["overlaps"] == 1
    [[name, identity, permission, answered]] = service.describe_state()["participants"]
    assert (name, identity, permission, len(answered)) == ("room-0", "bob", ["can_subscribe", "CAMERA"], 1)
    assert service.handle_call(
        "GetParticipant", api.RoomParticipantIdentity(room="room-0").SerializeToString()
    ) == (
        None,
        None,
    )
