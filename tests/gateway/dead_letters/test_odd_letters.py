"""Dead letters that are large, or that no service has written, leave the list as it is."""

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from cohost.kafka.connection import KafkaConnection
from cohost_schemas.ops.dead_letters import LetterReason, ServiceName
from services.gateway.ops.dead_letters.letter import Letter, parse_letter
from services.gateway.ops.dead_letters.letter_list import LetterList, PageQuestion
from services.gateway.ops.dead_letters.letter_log import LetterLog, LetterPartition, OffsetRange

PARTITIONS = 12
LETTER_BYTES = 1_000_000
MAX_PAGE_BYTES = 200_000_000
LETTER_HEADERS = {
    "dead-letter-reason": "invalid_fact",
    "dead-letter-topic": "cohost.rooms",
    "dead-letter-partition": "0",
    "dead-letter-offset": "5",
    "dead-letter-time": "2026-01-01T12:00:00.000Z",
}

T = TypeVar("T")


def letter_record(changes: dict[str, str], number: int = 0, offset: int = 0, value: bytes = b"odd") -> Any:
    headers = {**LETTER_HEADERS, **{f"dead-letter-{name}": text for name, text in changes.items()}}
    return SimpleNamespace(
        partition=number,
        offset=offset,
        timestamp=1000 * offset,
        key=b"room-1",
        value=value,
        headers=[(name, text.encode()) for name, text in headers.items()],
    )


class LargeLetters(LetterLog):
    """A log of large dead letters that counts what is read of it. `large` partitions have them."""

    def __init__(self, large: int) -> None:
        super().__init__(KafkaConnection("unused:1"))
        self.bytes_read = 0
        self._large = large

    async def fetch_bounds(self, services: Iterable[ServiceName]) -> dict[LetterPartition, OffsetRange]:
        return {
            LetterPartition(service, number): OffsetRange(0, 1_000)
            for service in services
            for number in range(PARTITIONS)
        }

    async def read_ranges(
        self, ranges: Mapping[LetterPartition, OffsetRange], convert: Callable[[Letter], T | None]
    ) -> dict[LetterPartition, list[T]]:
        found: dict[LetterPartition, list[T]] = {}
        for partition, (begin, end) in ranges.items():
            is_large = partition.number < self._large
            value = bytes(LETTER_BYTES) if is_large else b"odd"
            changes = {"reason": "not_a_cloud_event" if is_large else "unknown_fact"}
            self.bytes_read += len(value) * (end - begin)
            records = (letter_record(changes, partition.number, n, value) for n in range(begin, end))
            letters = (parse_letter(record, partition.service) for record in records)
            converted = (convert(letter) for letter in letters if letter is not None)
            found[partition] = [item for item in converted if item is not None]
        return found


@pytest.mark.parametrize("reason", [None, "invalid_fact"])
@pytest.mark.parametrize("large", [PARTITIONS, 1])
async def test_a_page_reads_a_bounded_part_of_large_letters(large: int, reason: LetterReason | None) -> None:
    log = LargeLetters(large)
    page = await LetterList(log).read_page(PageQuestion(None, reason, 50, None))
    assert page.next_cursor is not None
    assert len(page.items) == (50 if reason is None else 0)
    assert log.bytes_read < MAX_PAGE_BYTES


@pytest.mark.parametrize(
    "changes",
    [
        {"partition": "-1"},
        {"partition": "\uff11"},
        {"offset": "-5"},
        {"offset": "1_0"},
        {"offset": "9" * 40},
        {"truncated": "-9"},
        {"time": "0001-01-01"},
        {"reason": "odd"},
    ],
)
def test_headers_that_no_service_writes_make_no_letter(changes: dict[str, str]) -> None:
    letter = parse_letter(letter_record({}), "invitations")
    assert letter is not None
    assert letter.summary().offset == 5
    assert parse_letter(letter_record(changes), "invitations") is None
