"""The lease on lanes, as background effects see it."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from messaging.lanes import lease as lease_module
from messaging.lanes.lease import LaneLease

NOW = 1000.0


@dataclass
class LaneOwnerStub:
    """A session that owns these lanes and renewed their leases at these times."""

    renewed_at: dict[int, float]
    owned_lanes: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.owned_lanes = set(self.renewed_at)

    def lease_renewed_at(self, lane: int) -> float:
        return self.renewed_at.get(lane, 0.0)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock stand still."""
    monkeypatch.setattr(lease_module, "time", SimpleNamespace(monotonic=lambda: NOW))


def test_no_lease_is_valid_without_a_session() -> None:
    lease = LaneLease()
    assert (lease.owned_lanes, lease.valid_lanes(), lease.is_valid(0)) == (frozenset(), [], False)
    lease.start_session(LaneOwnerStub({0: NOW}))
    lease.end_session()
    assert (lease.owned_lanes, lease.valid_lanes(), lease.is_valid(0)) == (frozenset(), [], False)


def test_a_lease_is_valid_while_its_renewal_is_recent() -> None:
    lease = LaneLease()
    lease.start_session(LaneOwnerStub({0: NOW, 1: NOW - 4.0, 2: NOW - 6.0}))
    assert lease.owned_lanes == {0, 1, 2}
    assert sorted(lease.valid_lanes()) == [0, 1]
    assert [lease.is_valid(lane) for lane in range(4)] == [True, True, False, False]


def test_a_lane_that_is_not_read_any_more_has_no_valid_lease() -> None:
    owner = LaneOwnerStub({0: NOW})
    lease = LaneLease()
    lease.start_session(owner)
    owner.owned_lanes.clear()
    assert not lease.is_valid(0)
