"""The log-end check: published outbox batches are confirmed, contradictions refused."""

import pytest

from messaging.errors import LogMismatch
from messaging.lanes.lane import Lane, LaneProgress
from messaging.outbox import log_end
from messaging.outbox.log_end import LogEnd
from messaging.outbox.store import EncodedRecord, OutboxBatch

TOPICS = ("events", "rejections")


def lane(*, decided: tuple[int, int], acknowledged: tuple[int, int], ends: tuple[int, int]) -> Lane:
    return Lane(
        0,
        1,
        LaneProgress({}, by_topic(decided), 9),
        published_sequences=by_topic(acknowledged),
        published_end_offsets=by_topic(ends),
    )


def by_topic(numbers: tuple[int, int]) -> dict[str, int]:
    return dict(zip(TOPICS, numbers, strict=True))


def log_ends(events: LogEnd, rejections: LogEnd) -> dict[str, LogEnd]:
    return dict(zip(TOPICS, (events, rejections), strict=True))


def events_end(end_offset: int, *later: tuple[int, int]) -> LogEnd:
    """Return the end of the events topic: its last confirmed record, and those after it."""
    return LogEnd(end_offset, [(4, 9), *later])


REJECTIONS_END = LogEnd(5, [(2, 4)])


def outbox_batch(number: int, *places: tuple[int, int]) -> OutboxBatch:
    return OutboxBatch(
        0, number, [EncodedRecord(TOPICS[output], sequence, None, b"", []) for output, sequence in places], 0
    )


def test_logged_outbox_batches_are_confirmed_and_the_rest_kept() -> None:
    own_lane = lane(decided=(7, 3), acknowledged=(4, 2), ends=(10, 5))
    pending = [outbox_batch(8, (0, 5), (0, 6)), outbox_batch(9, (0, 7), (1, 3))]
    log = log_ends(events_end(14, (5, 11), (6, 12)), REJECTIONS_END)
    assert log_end.confirm_published(own_lane, log, pending) == 1
    assert own_lane.published_sequences == by_topic((6, 2))
    assert [own_lane.published_end_offset(topic) for topic in TOPICS] == [13, 5]


def test_nothing_is_left_to_publish_when_all_is_in_the_log() -> None:
    own_lane = lane(decided=(6, 2), acknowledged=(4, 2), ends=(10, 5))
    assert (
        log_end.confirm_published(
            own_lane,
            log_ends(events_end(14, (5, 11), (6, 12)), REJECTIONS_END),
            [outbox_batch(9, (0, 5), (0, 6))],
        )
        == 1
    )


@pytest.mark.parametrize(
    ("log", "published_count", "missing"),
    [
        pytest.param(
            [events_end(14, (5, 11)), REJECTIONS_END],
            0,
            [outbox_batch(7, (1, 3)), outbox_batch(8, (0, 6), (0, 7)), outbox_batch(9, (1, 4))],
            id="one topic of the first transaction",
        ),
        pytest.param(
            [events_end(20, (5, 11), (6, 15), (7, 16)), REJECTIONS_END],
            0,
            [outbox_batch(7, (1, 3)), outbox_batch(8), outbox_batch(9, (1, 4))],
            id="one topic of every transaction",
        ),
        pytest.param(
            [events_end(14, (5, 11)), LogEnd(9, [(2, 4), (3, 6), (4, 8)])],
            1,
            [outbox_batch(8, (0, 6), (0, 7)), outbox_batch(9)],
            id="the last transaction and not the one before it",
        ),
    ],
)
def test_what_is_missing_of_transactions_is_left_to_publish(
    log: list[LogEnd], published_count: int, missing: list[OutboxBatch]
) -> None:
    own_lane = lane(decided=(7, 4), acknowledged=(4, 2), ends=(10, 5))
    pending = [
        outbox_batch(7, (0, 5), (1, 3)),
        outbox_batch(8, (0, 6), (0, 7)),
        outbox_batch(9, (1, 4)),
    ]
    assert log_end.confirm_published(own_lane, log_ends(*log), pending) == published_count
    assert log_end.select_missing(own_lane, pending[published_count:]) == missing


@pytest.mark.parametrize(
    ("decided", "log", "pending", "says"),
    [
        pytest.param(
            (5, 2),
            [LogEnd(9, []), REJECTIONS_END],
            [outbox_batch(9, (0, 5))],
            "truncated",
            id="the log is shorter",
        ),
        pytest.param(
            (5, 2),
            [events_end(14, (6, 11)), REJECTIONS_END],
            [outbox_batch(9, (0, 5))],
            "ahead",
            id="the log is ahead of the database",
        ),
        pytest.param(
            (6, 2),
            [events_end(14, (6, 11)), REJECTIONS_END],
            [outbox_batch(9, (0, 5), (0, 6))],
            "truncated",
            id="gap in the log",
        ),
        pytest.param(
            (5, 2),
            [events_end(14, (4, 11)), REJECTIONS_END],
            [outbox_batch(9, (0, 5))],
            "truncated",
            id="sequence repeated",
        ),
        pytest.param(
            (5, 2),
            [LogEnd(14, [(9, 9), (5, 11)]), REJECTIONS_END],
            [outbox_batch(9, (0, 5))],
            "events:0 has offsets 0 to 14, sequence 9 at 9, but sequence 4 was published at offset 9",
            id="another record in the place of the last confirmed one",
        ),
        pytest.param(
            (5, 2),
            [LogEnd(14, [(5, 11)]), REJECTIONS_END],
            [outbox_batch(9, (0, 5))],
            "events:0 has offsets 0 to 14, sequence 5 at 11, but sequence 4 was published at offset 9",
            id="the last confirmed record is lost and the log has grown again",
        ),
        pytest.param(
            (6, 2),
            [events_end(10), REJECTIONS_END],
            [outbox_batch(9, (0, 6))],
            "missing from log and outbox",
            id="missing from the outbox",
        ),
        pytest.param(
            (7, 2),
            [events_end(10), REJECTIONS_END],
            [outbox_batch(9, (0, 5))],
            "last decided records",
            id="last record missing",
        ),
        pytest.param(
            (7, 3),
            [events_end(14, (5, 11)), LogEnd(8, [(2, 4), (3, 6)])],
            [outbox_batch(8, (0, 5), (1, 3)), outbox_batch(9, (0, 7))],
            "sequence 6 of topic events is missing",
            id="a gap behind half of a transaction",
        ),
    ],
)
def test_a_log_contradicting_the_database_stops_the_lane(
    decided: tuple[int, int], log: list[LogEnd], pending: list[OutboxBatch], says: str
) -> None:
    with pytest.raises(LogMismatch, match=says):
        log_end.confirm_published(
            lane(decided=decided, acknowledged=(4, 2), ends=(10, 5)), log_ends(*log), pending
        )


def test_compaction_may_leave_gaps() -> None:
    own_lane = Lane(
        0,
        1,
        LaneProgress({}, {"badges": 7}, 9),
        published_sequences={"badges": 4},
        published_end_offsets={"badges": 10},
    )
    records = [EncodedRecord("badges", sequence, None, b"", []) for sequence in (5, 6, 7)]
    log = {"badges": LogEnd(14, [(7, 12)])}
    assert (
        log_end.confirm_published(own_lane, log, [OutboxBatch(0, 9, records, 0)], compacted={"badges"}) == 1
    )


def test_another_record_in_the_place_of_a_compacted_one_is_refused() -> None:
    own_lane = Lane(
        0,
        1,
        LaneProgress({}, {"badges": 4}, 9),
        published_sequences={"badges": 4},
        published_end_offsets={"badges": 10},
    )
    with pytest.raises(LogMismatch, match="sequence 4 was published at offset 9"):
        log_end.confirm_published(own_lane, {"badges": LogEnd(14, [(3, 9)])}, [], compacted={"badges"})


def test_a_record_deleted_by_retention_is_not_missed() -> None:
    own_lane = lane(decided=(4, 2), acknowledged=(4, 2), ends=(10, 5))
    log = log_ends(events_end(10), LogEnd(8, [], first_offset=5))
    assert log_end.confirm_published(own_lane, log, []) == 0


def test_the_first_record_of_a_new_topic_is_published() -> None:
    own_lane = Lane(0, 1, LaneProgress({}, {"events": 1}, 1))
    pending = [OutboxBatch(0, 1, [EncodedRecord("events", 1, None, b"", [])], 0)]
    assert log_end.confirm_published(own_lane, {"events": LogEnd(0, [])}, pending) == 0
