"""The services' answers for ops as one answer: sums are null while a part is unknown."""

from cohost_schemas.ops.state import LaneState, LaneStates, OpenCalls, StateOverview, SystemPart, SystemState
from services.gateway.ops.state.lanes import merge_lanes
from services.gateway.ops.state.overview import merge_overviews
from services.gateway.ops.state.system import merge_systems
from services.runtime.version import VERSION
from stack.services import REPOSITORY

AT = "2026-01-01T12:00:00.000Z"
INVITATIONS = StateOverview(
    at=AT,
    rooms_open=1,
    pending=2,
    seats=3,
    lag=4,
    outbox_batches=5,
    lanes=6,
    lanes_without_owner=0,
    takeovers=7,
)
BROADCAST = StateOverview(
    at=AT,
    connected=10,
    in_grace=20,
    out_of_sync=30,
    failing_grants=40,
    lag=50,
    outbox_batches=60,
    lanes=6,
    lanes_without_owner=1,
    takeovers=70,
)
WITHOUT_KAFKA = {"lag": None, "lanes_without_owner": None, "unavailable": ("kafka",)}


def merged(first: StateOverview | None, second: StateOverview | None) -> StateOverview:
    return merge_overviews(first, second).model_copy(update={"at": AT})


def test_overviews_of_both_services_are_added_up() -> None:
    assert merged(INVITATIONS, BROADCAST) == StateOverview(
        at=AT,
        rooms_open=1,
        pending=2,
        seats=3,
        connected=10,
        in_grace=20,
        out_of_sync=30,
        failing_grants=40,
        lag=54,
        outbox_batches=65,
        lanes=12,
        lanes_without_owner=1,
        takeovers=77,
    )


def test_a_sum_is_null_while_a_service_is_away() -> None:
    assert merged(INVITATIONS, None) == StateOverview(
        at=AT, rooms_open=1, pending=2, seats=3, unavailable=("broadcast",)
    )
    assert merged(None, None) == StateOverview(at=AT, unavailable=("invitations", "broadcast"))


def test_what_kafka_knows_is_null_while_it_is_away() -> None:
    without = [each.model_copy(update=WITHOUT_KAFKA) for each in (INVITATIONS, BROADCAST)]
    found = merged(without[0], without[1])
    assert (found.lag, found.lanes_without_owner, found.lanes) == (None, None, 12)
    assert found.unavailable == ("kafka",)
    assert merged(without[0], None).unavailable == ("broadcast", "kafka")


def test_lanes_of_both_services_are_one_list() -> None:
    first = LaneState(service="invitations", lane=0, epoch=1, outbox_batches=0)
    second = LaneState(service="broadcast", lane=0, epoch=2, outbox_batches=0)
    answers = [LaneStates(items=(lane,)) for lane in (first, second)]
    assert merge_lanes(answers[0], answers[1]) == LaneStates(items=(first, second))
    assert merge_lanes(None, answers[1]) == LaneStates(items=(second,), unavailable=("invitations",))


def test_servers_of_both_services_are_named_once() -> None:
    def state_of(name: str, postgres: str) -> SystemState:
        parts = (
            SystemPart.model_validate({"name": name, "version": "1", "detail": "2 workers"}),
            SystemPart(name="kafka", detail="3 brokers"),
            SystemPart(name="postgres", version=postgres),
        )
        return SystemState(items=parts, contract_version="1.1", live_kit=OpenCalls(calls_pending=1))

    found = merge_systems(state_of("invitations", "17.1"), state_of("broadcast", "18.0"), None)
    assert [(part.name, part.version, part.detail) for part in found.items] == [
        ("gateway", VERSION, None),
        ("invitations", "1", "2 workers"),
        ("broadcast", "1", "2 workers"),
        ("kafka", None, "3 brokers"),
        ("postgres", "17.1, 18.0", None),
        ("livekit", None, None),
    ]
    assert merge_systems(None, None, None).live_kit == OpenCalls()


def test_the_version_is_that_of_the_package() -> None:
    assert f'\nversion = "{VERSION}"\n' in (REPOSITORY / "pyproject.toml").read_text()
