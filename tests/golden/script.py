"""The clock, offsets, batch borders and CloudEvents that the scripts of both logs share."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.contract.murmur2 import partition_of
from tests.golden import log
from tests.golden.log import PARTITIONS, PREFIX, Headers, Input

START = log.milliseconds("2026-01-01T12:00:00.000Z")


class Script:
    """Writes a log, a second and some milliseconds for each record; the seed determines where batches end.

    Within a batch records are decided topic by topic, in the order of `topics`. While the script is
    `in_order` they are decided as they are written: batches end where they must for that.
    """

    topics: tuple[str, ...] = ()

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a test
        self.entries: list[Input] = []
        self.now = START
        self.in_order = True
        self._offsets: Counter[tuple[str, int]] = Counter()
        self._batch = 0
        self._together = False
        self._rank = 0
        self._ids = 0

    def id(self, kind: str = "c") -> str:
        """Return an id that was not used before."""
        self._ids += 1
        return f"{kind}-{self._ids:04d}"

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += 1000 * seconds

    def cut(self) -> None:
        """End the batch."""
        self._batch += 1
        self._rank = 0

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Keep what follows in one batch."""
        self.cut()
        self._together = True
        yield
        self._together = False
        self.cut()

    def skip(self, topic: str, partition: int, offsets: int) -> None:
        """Leave out offsets, as the control records of transactions do."""
        self._offsets[topic, partition] += offsets

    def again(self, count: int) -> None:
        """Fetch the last records once more, in a batch of their own."""
        self.cut()
        self.entries += [entry._replace(batch=self._batch) for entry in self.entries[-count:]]
        self.cut()

    def put(
        self,
        topic: str,
        key: str | bytes | None,
        value: Any,
        *,
        partition: int | None = None,
        headers: Headers = (("content-type", b"application/cloudevents+json; charset=utf-8"),),
    ) -> None:
        """Write a record; a value that is neither bytes nor None becomes JSON."""
        self.now += 1000 + self.random.randrange(7)
        raw = key.encode() if isinstance(key, str) else key
        if partition is None:
            partition = 0 if raw is None else partition_of(raw, PARTITIONS)
        body = value if value is None or isinstance(value, bytes) else log.compact(value)
        self.append(topic, partition, self.now, (raw, body, headers))

    def append(
        self, topic: str, partition: int, at: int, rest: tuple[bytes | None, bytes | None, Headers]
    ) -> None:
        """Write a record with a time of its own."""
        rank = self.topics.index(topic)
        if self.in_order and rank < self._rank:
            self.cut()
        self._rank = max(rank, self._rank)
        name = PREFIX + topic
        offset = self._offsets[topic, partition]
        self._offsets[topic, partition] += 1
        self.entries.append(Input(self._batch, name, partition, offset, at, *rest))
        if not self._together and self.random.random() < 0.12:
            self.cut()


def cloud_event(kind: str, id_: str, subject: str | None, data: Any, **more: Any) -> dict[str, Any]:
    """Return a CloudEvent, with other attributes added or, where they are None, left out."""
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": "/platform",
        "type": f"cohost.{kind}.v1",
        "subject": subject,
        "time": "2026-01-01T11:59:59.000Z",
        "datacontenttype": "application/json",
        **more,
        "data": data,
    }
    return {name: value for name, value in event.items() if value is not None}
