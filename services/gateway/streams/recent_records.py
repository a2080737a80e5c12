"""The newest records of the log, in memory, from which most streams resume."""

from collections import deque
from collections.abc import Sequence

from services.gateway.streams.positions import StreamKey
from services.gateway.streams.records import StreamRecord

_MAX_RECORDS = 40_000
_MAX_BYTES = 24 * 1024 * 1024


class RecentRecords:
    """The records behind `begin_offsets`, by stream; beyond a limit the oldest ones are dropped."""

    def __init__(self, begin_offsets: Sequence[int]) -> None:
        self.begin_offsets = list(begin_offsets)
        """The first offset of each partition from which on every record is here."""
        self._records: deque[StreamRecord] = deque()
        self._by_stream: dict[StreamKey, deque[StreamRecord]] = {}
        self._bytes = 0

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

    def _drop_oldest(self) -> None:
        record = self._records.popleft()
        self._bytes -= len(record.text)
        self.begin_offsets[record.partition] = record.offset + 1
        for key in record.stream_keys():
            records = self._by_stream[key]
            records.popleft()
            if not records:
                del self._by_stream[key]
