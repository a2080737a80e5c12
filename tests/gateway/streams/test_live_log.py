"""What a stream has missed, while the log has it in memory."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from cohost.kafka.connection import KafkaConnection
from services.gateway.streams.layout import PartitionLayout
from services.gateway.streams.live_log import LiveLog
from services.gateway.streams.metrics import StreamMetrics
from services.gateway.streams.positions import Position, StreamKey
from services.gateway.streams.subscription import MAX_PAST_EVENTS, UnrestrictedViewer
from tests.gateway.streams import stream_log
from tests.gateway.streams.stream_log import RawRecord, SequenceCounter

BOB = StreamKey("user", "bob")
COUNT = 1_300


async def test_missed_events_come_in_parts_that_are_all_of_them() -> None:
    layout = PartitionLayout(KafkaConnection("localhost:9092", "cohost."), 2)
    offsets = dict.fromkeys(layout.partitions, 0)
    live = LiveLog(layout, offsets, StreamMetrics(CollectorRegistry()))
    counter = SequenceCounter()
    begin = live.position_of(BOB)
    for number in range(COUNT):
        event = stream_log.co_host_left("show", "bob", number)
        # Two topics in turn, so that a position has to be right in several partitions.
        partition = layout.partitions[2 * (number % 2)]
        record = RawRecord(*partition, number, stream_log.key_of(event), counter.encode(event))
        await live.add_records([record])

    parts = list(read_parts(live, begin))
    assert [len(part) for part in parts] == [MAX_PAST_EVENTS, MAX_PAST_EVENTS, COUNT - 2 * MAX_PAST_EVENTS]
    found = [
        event.split(b'"invitationId":"')[1].partition(b'"')[0].decode() for part in parts for event in part
    ]
    assert found == [f"i-{number}" for number in range(COUNT)]


def read_parts(live: LiveLog, position: Position) -> Iterator[list[bytes]]:
    is_last = False
    while not is_last:
        missed = live.missed_events(BOB, UnrestrictedViewer(), position)
        assert missed is not None
        position, events = missed
        is_last = len(events) < MAX_PAST_EVENTS
        yield events
