"""Growth: sizes, costs as ratios, and what the saved result has."""

import pytest

from bench.cpu import CpuUsage
from bench.growth import comparison, growth_report
from bench.growth.growth_point import GrowthRound
from bench.growth.stored_rows import StoredSize, users_of_room
from bench.results import Measurement

FEW, MANY = StoredSize(1_000, 20_000), StoredSize(10_000_000, 20_000)


def drained(microseconds: float) -> GrowthRound:
    """Return a round in which a command cost this, with 100 MiB of memory."""
    usage = CpuUsage(worker=microseconds / 1e6)
    return GrowthRound(1.0, Measurement(1, 1.0, usage), 100.0)


def test_each_size_is_measured_once() -> None:
    sizes = growth_report.choose_sizes(10_000_000)
    assert len(sizes) == len(set(sizes)) == len(growth_report.INVITATIONS) + len(growth_report.ROOMS) - 1


def test_no_size_is_larger_than_asked_for() -> None:
    sizes = growth_report.choose_sizes(100_000)
    assert max(max(size) for size in ((size.invitations, size.rooms) for size in sizes)) == 100_000


@pytest.mark.parametrize(("cost", "verdict"), [(111, "reached"), (112, "missed")])
def test_the_aim_compares_the_lowest_costs(cost: float, verdict: str) -> None:
    rounds = {MANY: [drained(cost), drained(900)], FEW: [drained(100), drained(700)]}
    assert growth_report.describe_aim(rounds).endswith(verdict)


def test_a_series_has_the_sizes_in_order() -> None:
    rounds = {MANY: [drained(110)], FEW: [drained(100)]}
    figures = dict.fromkeys(rounds, 2.0)
    series = growth_report.build_series(rounds, figures, {size: {"rooms": 10**6} for size in rounds})
    assert {
        "name": "a command",
        "x_name": "invitations",
        "unit": "µs/command",
        "x": [1_000, 10_000_000],
        "y": [100.0, 110.0],
    } in series


def test_a_workers_memory_is_saved_in_the_unit_of_its_series() -> None:
    rounds = {FEW: [drained(100)]}
    series = growth_report.build_series(rounds, {FEW: 2.0}, {FEW: {"rooms": 10**6}})
    found = {each["name"]: (each["unit"], each["y"]) for each in series if each["x_name"] == "invitations"}
    assert found["memory of a worker"] == ("MB", [105.0])
    assert found["Postgres"] == ("MB", [1.0])


def test_a_rooms_users_are_different_and_stored() -> None:
    users = users_of_room(19_999, FEW)
    assert len(set(users)) == 8
    assert all(int(user.removeprefix("user-")) < FEW.rooms for user in users)


def test_ten_thousand_rooms_within_clouds_limit_take_ten_minutes() -> None:
    assert comparison.shortest_period(10_000) == 600
