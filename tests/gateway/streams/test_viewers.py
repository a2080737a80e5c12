"""What a caller may see of a room's events: everybody's, and those at which the caller was the host."""

from cohost_schemas import topics
from services.gateway.streams import records
from services.gateway.streams.hosts import HostChange, HostHistory
from services.gateway.streams.records import StreamRecord
from services.gateway.streams.subscription import RoomViewer
from tests.gateway.streams import stream_log
from tests.gateway.streams.stream_log import RawRecord, SequenceCounter, WrittenEvent


def parse_all(*events: WrittenEvent) -> list[StreamRecord]:
    counter = SequenceCounter()
    found = []
    for offset, event in enumerate(events):
        raw = RawRecord(event.topic.suffix, 0, offset, stream_log.key_of(event), counter.encode(event))
        has_host_order = event.topic is topics.INVITATION_EVENTS
        record = records.parse_record(raw, 0, has_host_order=has_host_order)
        assert record is not None
        found.append(record)
    return found


def seen(viewer: RoomViewer, log: list[StreamRecord]) -> list[int]:
    return [record.offset for record in log if viewer.can_see(record)]


INVITATIONS_OF_TWO_HOSTS = parse_all(
    stream_log.stage_changed("show", "alice", 0),
    stream_log.invitation_sent("show", "bob"),
    stream_log.stage_changed("show", "carol", 10),
    stream_log.invitation_sent("show", "dan"),
    stream_log.stage_changed("show", "alice", 20),
    stream_log.invitation_sent("show", "eve"),
)


def test_a_host_sees_the_invitations_of_the_own_time_only() -> None:
    assert seen(RoomViewer("alice", HostHistory()), INVITATIONS_OF_TWO_HOSTS) == [0, 1, 2, 4, 5]
    assert seen(RoomViewer("carol", HostHistory()), INVITATIONS_OF_TWO_HOSTS) == [0, 2, 3, 4]


def test_a_stranger_sees_no_invitation_not_even_the_own_one() -> None:
    assert seen(RoomViewer("bob", HostHistory()), INVITATIONS_OF_TWO_HOSTS) == [0, 2, 4]


def test_a_history_that_is_ahead_of_the_log_shows_a_later_host_nothing() -> None:
    ahead = [HostChange(1, "", "alice"), HostChange(3, "", "carol")]
    log = INVITATIONS_OF_TWO_HOSTS[1:]
    assert seen(RoomViewer("carol", HostHistory(ahead)), log) == [2, 3, 4]
    assert seen(RoomViewer("alice", HostHistory(ahead)), log) == [1, 2, 4, 5]


def test_without_a_known_host_nobody_sees_the_hosts_events() -> None:
    log = [INVITATIONS_OF_TWO_HOSTS[1], *parse_all(stream_log.broadcast_event("GrantRevoked", "show", "bob"))]
    assert seen(RoomViewer("alice", HostHistory()), log) == []


def test_on_the_other_topics_the_time_decides() -> None:
    history = [HostChange(1, stream_log.time_of(0), "alice"), HostChange(9, stream_log.time_of(10), "carol")]
    log = parse_all(
        stream_log.broadcast_event("GrantProvisioned", "show", "bob", 9),
        stream_log.broadcast_event("IntruderRemoved", "show", None, 10),
        stream_log.broadcast_event("RecordingFinished", "show", None, 11),
        stream_log.broadcast_event("ParticipantQualityChanged", "show", "bob", 5),
    )
    assert seen(RoomViewer("alice", HostHistory(history)), log) == [0, 3]
    assert seen(RoomViewer("carol", HostHistory(history)), log) == [1, 2]


def test_a_room_from_before_its_hosts_were_recorded_had_its_first_host() -> None:
    history = HostHistory([HostChange(0, "1970-01-01T00:00:00.000Z", "alice")])
    assert seen(RoomViewer("alice", history), INVITATIONS_OF_TWO_HOSTS[1:2]) == [1]


def test_a_change_that_is_passed_again_alters_nothing() -> None:
    history = HostHistory(
        [HostChange(1, "a", "alice"), HostChange(3, "b", "carol"), HostChange(5, "c", "alice")]
    )
    for change in (HostChange(3, "b", "carol"), HostChange(1, "a", "alice"), HostChange(6, "d", "alice")):
        history.add_change(change)
    assert [history.host_at_sequence(sequence) for sequence in range(7)] == [
        *(None, "alice", "alice", "carol", "carol", "alice", "alice"),
    ]
    assert [history.host_at_time(time) for time in "_abcd"] == [None, "alice", "carol", "alice", "alice"]
