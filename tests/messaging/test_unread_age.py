"""The age of the oldest unread record, by a clock of the test."""

import pytest
from aiokafka import TopicPartition

from messaging.lanes import unread_age
from messaging.lanes.unread_age import UnreadAges

PARTITION = TopicPartition("commands", 0)


class LogWatch:
    """An input partition that is looked at once a second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ages = UnreadAges(lambda: self.now)

    def measure_ages(self, *looks: tuple[int, int]) -> list[float]:
        """Return the age at each look, given as (position, end offset)."""
        found = []
        for position, end_offset in looks:
            found.append(self.ages.measure(PARTITION, position, end_offset))
            self.now += 1
        return found


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([(0, 0), (5, 5), (7, 5)], [0, 0, 0], id="everything is read"),
        pytest.param([(3, 5), (3, 5), (3, 5)], [0, 1, 2], id="the lane stands still"),
        pytest.param([(3, 4), (3, 9), (3, 99)], [0, 1, 2], id="the log grows behind an open transaction"),
        pytest.param([(0, 5), (3, 5), (5, 5), (5, 6)], [0, 1, 0, 0], id="the lane catches up"),
        pytest.param([(0, 10), (0, 20), (10, 30), (20, 40)], [0, 1, 1, 1], id="the lane keeps behind"),
        pytest.param([(-1, 0), (-1, 0), (-1, 1), (-1, 1)], [0, 1, 2, 3], id="the lane has not begun"),
        pytest.param([(5, 9), (5, 9), (5, 6), (5, 6)], [0, 1, 0, 1], id="the log is truncated"),
    ],
)
def test_the_age_is_the_time_since_the_log_passed_the_position(
    looks: list[tuple[int, int]], expected: list[float]
) -> None:
    assert LogWatch().measure_ages(*looks) == expected


def test_partitions_are_measured_apart() -> None:
    watch = LogWatch()
    watch.measure_ages((0, 1), (0, 1))
    assert watch.ages.measure(TopicPartition("commands", 1), 0, 1) == 0
    assert watch.ages.measure(PARTITION, 0, 1) == 2


def test_a_long_wait_is_measured_from_its_beginning_in_bounded_memory() -> None:
    watch = LogWatch()
    ages = watch.measure_ages(*[(0, end) for end in range(1, 2000)])
    assert ages == list(range(1999))
    remembered = watch.ages._ends[PARTITION]  # noqa: SLF001 - memory cannot be seen from outside
    assert len(remembered) <= unread_age._MAX_ENDS  # noqa: SLF001 - as above
