"""The age of the oldest outbox batch, by a clock of the test."""

import pytest

from messaging.outbox.outbox_age import OutboxAges


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([{}, {}], [0, 0], id="empty"),
        pytest.param([{7: 3}, {7: 3}, {7: 3}], [0, 1, 2], id="the same batch"),
        pytest.param([{7: 3}, {7: 4}, {7: 5}], [0, 0, 0], id="published steadily"),
        pytest.param([{7: 3}, {}, {7: 3}], [0, 0, 0], id="published meanwhile"),
        pytest.param([{7: 3}, {7: 3, 8: 1}, {8: 1}, {8: 1}], [0, 1, 1, 2], id="the oldest of the lanes"),
    ],
)
def test_a_batch_ages_while_it_stays_its_lanes_oldest(
    looks: list[dict[int, int]], expected: list[int]
) -> None:
    clock = iter(range(len(looks)))
    ages = OutboxAges(lambda: next(clock))
    assert [ages.measure(look) for look in looks] == expected
