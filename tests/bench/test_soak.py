"""What a soak calls flat."""

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from bench.cpu import CpuUsage
from bench.soak import load, soak_report
from bench.soak.minutes import SoakMinute, TableSize, find_growth
from bench.workload import traffic

MIB = 2**20


def soak_minute(**changed: object) -> SoakMinute:
    """Return a minute like any other, with these differences."""
    tables = {
        "invitations.outbox": TableSize(50 * MIB, 10, 1_000),
        "invitations.outcomes": TableSize(50 * MIB, 100_000, 0),
    }
    minute = SoakMinute(12_000, 20, 40, {"invitations": 100}, 0, CpuUsage(), tables, has_snapshot=False)
    return dataclasses.replace(minute, **changed)  # type: ignore[arg-type]


def minutes_with(change: Callable[[int], dict[str, object]]) -> list[SoakMinute]:
    """Return nine minutes, the middle three with a snapshot; `change` has what differs in each."""
    return [soak_minute(has_snapshot=number in (3, 4, 5), **change(number)) for number in range(9)]


def outbox_of(sizes: Sequence[int]) -> list[SoakMinute]:
    """Return minutes in which the outbox has these MiB."""
    return minutes_with(
        lambda number: {"tables": {"invitations.outbox": TableSize(sizes[number] * MIB, 10, 0)}}
    )


def test_minutes_that_are_alike_are_flat() -> None:
    assert find_growth(minutes_with(lambda _: {})) == []


def test_a_p99_that_rises_is_found() -> None:
    assert find_growth(minutes_with(lambda number: {"p99": 40 + 5 * number})) == ["p99 rose from 45 to 75 ms"]


def test_memory_that_rises_is_found() -> None:
    assert find_growth(minutes_with(lambda number: {"memory": {"broadcast": 100 + 3.0 * number}})) == [
        "memory of broadcast rose from 112 to 121 MiB"
    ]


def test_memory_that_caches_fill_at_first_is_flat() -> None:
    found = minutes_with(lambda number: {"memory": {"broadcast": 160 if number > 2 else 100}})
    assert find_growth(found) == []


def test_a_table_that_a_snapshot_bloats_once_is_flat() -> None:
    assert find_growth(outbox_of([10, 10, 10, 50, 90, 130, 130, 130, 130])) == []


def test_a_table_that_grows_after_the_snapshot_is_found() -> None:
    assert find_growth(outbox_of([10, 10, 10, 50, 90, 130, 130, 150, 170])) == [
        "invitations.outbox grew from 130.0 to 170.0 MiB"
    ]


@pytest.mark.parametrize(("rows", "grown"), [(300_000, False), (200_000, True)])
def test_history_may_grow_with_its_rows_alone(rows: int, *, grown: bool) -> None:
    def tables(number: int) -> dict[str, object]:
        last = number == 8
        size = TableSize((300 if last else 100) * MIB, rows if last else 100_000, 0)
        return {"tables": {"invitations.outcomes": size}}

    assert bool(find_growth(minutes_with(tables))) is grown


def test_a_rooms_expiring_invitations_go_to_its_late_user() -> None:
    commands = load.mix_in_expiring(traffic.generate_traffic(2, seed=1))
    sent = [next(commands) for _ in range(2 * load.EXPIRING_SHARE)]
    expiring = [command for command in sent if "expiresInSeconds" in command.data]
    assert [command.data["userId"] for command in expiring] == ["late-room-0", "late-room-1"]


def test_the_saved_result_has_each_minute_and_the_verdict() -> None:
    data = soak_report.build_data(minutes_with(lambda number: {"p99": 40 + number}))
    assert {
        "name": "p99",
        "x_name": "minutes",
        "unit": "ms",
        "x": list(range(1, 10)),
        "y": list(range(40, 49)),
    } in data["series"]
    assert "p99 in ms: 44 without the snapshot, 44 with it" in data["notes"]
    assert data["notes"][-1] == "p99, memory and tables were flat"
