"""Processor time of process trees whose processes come and go."""

import pytest

from bench import cpu
from bench.cpu import CpuMeter, CpuUsage, ProcessTimes, ProcessTree

POSTMASTER, BACKEND = 10, 11
WITH_BACKEND = {POSTMASTER: ProcessTimes(1, 1.0, 0.0), BACKEND: ProcessTimes(POSTMASTER, 5.0, 0.0)}
BACKEND_REAPED = {POSTMASTER: ProcessTimes(1, 1.0, 5.0)}
BACKEND_LOST = {POSTMASTER: ProcessTimes(1, 1.0, 0.0)}
BACKEND_TWICE = {POSTMASTER: ProcessTimes(1, 1.0, 5.0), BACKEND: ProcessTimes(POSTMASTER, 5.0, 0.0)}


def script_readings(monkeypatch: pytest.MonkeyPatch, *readings: ProcessTree) -> None:
    """Let `/proc` show these readings one after the other, and the last one from then on."""
    left = list(readings)
    monkeypatch.setattr(cpu, "_read_processes", lambda: left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize(
    "torn",
    [
        pytest.param([BACKEND_LOST], id="the postmaster was read before the backend ended"),
        pytest.param([BACKEND_TWICE], id="the backend was read before it ended"),
        pytest.param([WITH_BACKEND, BACKEND_LOST], id="it ended during the second reading"),
        pytest.param([WITH_BACKEND, BACKEND_TWICE], id="it ended behind the second reading"),
    ],
)
def test_a_backend_that_ends_during_a_reading_counts_once(
    monkeypatch: pytest.MonkeyPatch, torn: list[ProcessTree]
) -> None:
    script_readings(monkeypatch, *torn, BACKEND_REAPED)
    assert CpuMeter(postgres=POSTMASTER, kafka=None).read_usage() == CpuUsage(postgres=6.0)


def test_the_times_of_all_descendants_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    grandchild, stranger = 12, 13
    script_readings(
        monkeypatch,
        WITH_BACKEND | {grandchild: ProcessTimes(BACKEND, 2.0, 0.5), stranger: ProcessTimes(1, 9.0, 0.0)},
    )
    meter = CpuMeter(postgres=POSTMASTER, kafka=None, worker=stranger)
    assert meter.read_usage() == CpuUsage(worker=9.0, postgres=8.5)
