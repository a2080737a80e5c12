"""The newest records of the log, in memory, from which most streams resume."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

from services.gateway.streams.positions import StreamKey
from services.gateway.streams.records import StreamRecord

_MAX_RECORDS = 40_000
_MAX_BYTES = 24 * 1024 * 1024
_MAX_DROPPED = 50_000


class RecentRecords:
    """The records behind the offsets at which reading began; beyond a limit the oldest ones are dropped.

    Of a dropped record its offset is kept for its streams: one that was quiet since has missed nothing.
    """

    def __init__(self, begin_offsets: Sequence[int]) -> None:
        self._begin_offsets = list(begin_offsets)
        self._records: deque[StreamRecord] = deque()
        self._by_stream: dict[StreamKey, deque[StreamRecord]] = {}
        self._bytes = 0
        self._last_dropped: OrderedDict[tuple[StreamKey, int], int] = OrderedDict()

    def append_record(self, record: StreamRecord) -> None:
        """Add the log's next record."""
        self._records.append(record)
        self._bytes += len(record.text)
        for key in record.stream_keys():
            self._by_stream.setdefault(key, deque()).append(record)
        while len(self._records) > _MAX_RECORDS or self._bytes > _MAX_BYTES:
            self._drop_oldest()

    def records_of(self, key: StreamKey) -> Sequence[StreamRecord]:
        """Return a stream's records, as they were read: in log order within each partition."""
        return self._by_stream.get(key, ())

    def begin_offsets(self, key: StreamKey, partitions: Iterable[int]) -> list[int]:
        """Return the offsets from which on every record of a stream is here."""
        return [
            max(self._begin_offsets[partition], self._last_dropped.get((key, partition), -1) + 1)
            for partition in partitions
        ]

    def _drop_oldest(self) -> None:
        record = self._records.popleft()
        self._bytes -= len(record.text)
        for key in record.stream_keys():
            records = self._by_stream[key]
            records.popleft()
            if not records:
                del self._by_stream[key]
            self._last_dropped[key, record.partition] = record.offset
            self._last_dropped.move_to_end((key, record.partition))
        while len(self._last_dropped) > _MAX_DROPPED:
            (_, partition), offset = self._last_dropped.popitem(last=False)
            # From here on nothing is known about the time before.
            self._begin_offsets[partition] = max(self._begin_offsets[partition], offset + 1)
