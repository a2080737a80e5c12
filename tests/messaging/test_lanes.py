"""A lane in memory: progress by topic, snapshots, and undoing what was not committed."""

from messaging.lanes.lane import Lane, LaneProgress

COMMANDS, EVENTS, REJECTIONS = "commands", "events", "rejections"


def lane_at(position: int, sequence: int, batch: int) -> Lane:
    """Return a lane whose database row has this position, sequence and batch."""
    return Lane(4, 7, LaneProgress({COMMANDS: position}, {EVENTS: sequence}, batch))


def test_a_topic_without_an_entry_was_never_read_or_written() -> None:
    lane = Lane(4, 7)
    assert (lane.position(COMMANDS), lane.published_end_offset(EVENTS)) == (-1, 0)
    assert (lane.next_sequence(EVENTS), lane.next_sequence(EVENTS)) == (1, 2)
    assert lane.next_sequence(REJECTIONS) == 1


def test_a_position_only_advances_unless_it_is_reset() -> None:
    lane = lane_at(10, 0, 0)
    lane.advance_position(COMMANDS, 8)
    assert lane.position(COMMANDS) == 10
    lane.advance_position(COMMANDS, 12)
    assert lane.position(COMMANDS) == 12
    lane.reset_position(COMMANDS, 3)
    assert lane.position(COMMANDS) == 3


def test_an_update_goes_from_the_last_snapshot_to_the_present_state() -> None:
    lane = lane_at(10, 3, 1)
    lane.advance_position(COMMANDS, 12)
    lane.next_sequence(EVENTS)
    lane.next_batch_number()
    first = lane.snapshot_update()
    lane.advance_position(COMMANDS, 13)
    second = lane.snapshot_update()
    assert (first.lane, first.epoch) == (4, 7)
    assert first.before == LaneProgress({COMMANDS: 10}, {EVENTS: 3}, 1)
    assert first.after == second.before == LaneProgress({COMMANDS: 12}, {EVENTS: 4}, 2)
    assert second.after == LaneProgress({COMMANDS: 13}, {EVENTS: 4}, 2)


def test_an_update_does_not_change_with_its_lane() -> None:
    lane = lane_at(10, 3, 1)
    update = lane.snapshot_update()
    lane.advance_position(COMMANDS, 99)
    lane.next_sequence(EVENTS)
    lane.record_settled_end(EVENTS, 3, 30)
    assert update.after == LaneProgress({COMMANDS: 10}, {EVENTS: 3}, 1)
    assert (update.published_sequences, update.published_end_offsets) == ({}, {})


def test_undoing_two_updates_returns_to_the_database_row() -> None:
    lane = lane_at(10, 3, 1)
    updates = []
    for position in (12, 15):
        lane.advance_position(COMMANDS, position)
        lane.next_sequence(EVENTS)
        lane.next_sequence(REJECTIONS)
        lane.next_batch_number()
        updates.append(lane.snapshot_update())
    for update in reversed(updates):
        lane.undo_update(update)
    assert lane.snapshot_update().after == updates[0].before
    assert (lane.position(COMMANDS), lane.next_sequence(EVENTS), lane.next_sequence(REJECTIONS)) == (10, 4, 1)
    assert lane.next_batch_number() == 2


def test_undoing_an_update_keeps_what_was_settled_meanwhile() -> None:
    lane = lane_at(10, 3, 1)
    lane.next_sequence(EVENTS)
    update = lane.snapshot_update()
    lane.record_settled_end(EVENTS, 3, 30)
    lane.undo_update(update)
    assert (lane.published_sequences, lane.published_end_offset(EVENTS)) == ({EVENTS: 3}, 30)


def test_settled_batches_are_deleted_once() -> None:
    lane = lane_at(0, 0, 9)
    lane.restore_outbox([8, 9], 1)
    assert (lane.range_to_delete(), lane.unpublished_count) == ((7, 8), 1)
    lane.record_committed(8, 12.5)
    lane.record_published_batch(9)
    assert (lane.range_to_delete(), lane.unpublished_count, lane.lease_renewed_at) == ((8, 8), 0, 12.5)
    lane.record_settled_batch(9)
    assert lane.range_to_delete() == (8, 9)


def test_an_empty_outbox_leaves_nothing_to_delete() -> None:
    lane = lane_at(0, 0, 9)
    lane.restore_outbox([], 0)
    assert (lane.range_to_delete(), lane.unpublished_count) == ((9, 9), 0)
