"""Counts in intervals of time: for the time of the record, within a window that ends now."""

from typing import NamedTuple

from services.gateway.ops.activity.newest import Newest
from services.gateway.ops.activity.samples import INTERVAL_COUNT, INTERVAL_SECONDS, SampleCounts

SINCE = 1_000_000.0
NOW = SINCE + 60


class TimedRecord(NamedTuple):
    """A record by its number, with its time."""

    number: int
    timestamp: int


def counted(samples: SampleCounts, now: float) -> dict[int, int]:
    """Return the intervals with events, by their start after `SINCE`."""
    return {at - int(SINCE): counts["events"] for at, counts in samples.intervals(now) if counts["events"]}


def test_a_record_counts_for_its_time_not_for_when_it_is_read() -> None:
    samples = SampleCounts(SINCE)
    for at in (SINCE + 1, SINCE + 4.999, SINCE + 5, SINCE + 31):
        samples.count(at, NOW, "events")
    assert counted(samples, NOW) == {0: 2, 5: 1, 30: 1}


def test_times_outside_of_the_window_count_at_its_edges() -> None:
    samples = SampleCounts(SINCE)
    samples.count(SINCE - 3600, NOW, "events")
    samples.count(NOW + 3600, NOW, "events")
    samples.count_command(NOW + 3600, NOW)
    assert counted(samples, NOW) == {0: 1, 60: 1}
    assert samples.command_rate(NOW + 1) == 0.1


def test_intervals_are_without_gap_and_bounded() -> None:
    samples = SampleCounts(SINCE)
    assert [at - SINCE for at, _ in samples.intervals(SINCE + 12)] == [0, 5, 10]
    for second in range(0, 7200, INTERVAL_SECONDS):
        samples.count(SINCE + second, SINCE + second, "events")
        # Late ones of long ago.
        samples.count(SINCE, SINCE + second, "events")
    starts = [at for at, _ in samples.intervals(SINCE + 7199)]
    assert starts == [
        SINCE + second for second in range(7200 - INTERVAL_COUNT * INTERVAL_SECONDS, 7200, INTERVAL_SECONDS)
    ]


def test_the_rate_is_the_mean_of_the_last_ten_complete_seconds() -> None:
    samples = SampleCounts(SINCE)
    for at in (NOW - 11, NOW - 10, NOW - 9.5, NOW - 1, NOW):
        samples.count_command(at, NOW)
    assert samples.command_rate(NOW) == 0.3
    assert samples.command_rate(NOW + 30) == 0


def test_the_newest_are_kept_by_time_and_then_by_their_order() -> None:
    newest = Newest[TimedRecord](3)
    for number, time in enumerate((5, 1, 3, 3, 2, 9)):
        newest.add_item(TimedRecord(number, time))
    assert newest.newest_first() == [TimedRecord(5, 9), TimedRecord(0, 5), TimedRecord(3, 3)]
