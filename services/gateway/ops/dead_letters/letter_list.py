"""Pages of dead letters, and single ones, as requests ask for them."""

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

from cohost_schemas.ops.dead_letters import DeadLetter, DeadLetterDetails, LetterReason
from cohost_schemas.ops.state import ServiceName
from services.gateway.ops.dead_letters.letter import (
    LETTER_TOPICS,
    Letter,
    decode_text,
    encode_base64,
    parse_position,
    show_header,
)
from services.gateway.ops.dead_letters.letter_log import LetterLog, LetterPartition, OffsetRange
from services.gateway.ops.dead_letters.page import ListedLetter, Page
from services.gateway.ops.shared_answers import SharedAnswers
from services.runtime.http import pagination
from services.runtime.http.pagination import BigInt, ListPage
from services.runtime.http.problems import HttpProblem

_READ_SIZES = (4, 16, 16, 64, 256)
"""Offsets that a page reads backwards of each partition, again and again, until it is full."""
_MAX_OFFSETS = 2_048
"""Offsets of all partitions that a page reads at once, beyond the first ones."""
_MAX_BYTES = 32 * 1024 * 1024
"""Bytes of values that a page reads at once, beyond the first ones, if they are as large as those before."""
_MAX_SECONDS = 1.0
"""Time after which a page is given out as it is."""
_MAX_REMEMBERED = 64
_SERVICES: tuple[ServiceName, ...] = tuple(LETTER_TOPICS)

_Bounds = Mapping[LetterPartition, OffsetRange]


class PageQuestion(NamedTuple):
    """A request for a page of dead letters."""

    service: ServiceName | None
    reason: LetterReason | None
    limit: int
    cursor: str | None


class LetterList:
    """Reads dead letters for their requests. Its methods raise `HttpProblem`."""

    def __init__(self, letter_log: LetterLog) -> None:
        self._log = letter_log
        self._shared = SharedAnswers[ListPage[DeadLetter]]()
        self._last: dict[PageQuestion, tuple[_Bounds, ListPage[DeadLetter]]] = {}

    async def read_page(self, question: PageQuestion) -> ListPage[DeadLetter]:
        """Return a page of dead letters, newest first."""
        return await self._shared.get(question, lambda: self._read_page(question))

    async def read_details(self, letter_id: str) -> DeadLetterDetails:
        """Return a dead letter, and why exactly it is one."""
        letter = await find_letter(self._log, letter_id)
        checker = await self._log.checker()
        why_not = checker.find_obstacle(letter)
        # A large value takes long to parse.
        explanation = await asyncio.to_thread(checker.explain_letter, letter)
        return DeadLetterDetails(
            **dict(letter.summary()),
            text=decode_text(letter.value),
            base64=encode_base64(letter.value),
            headers=tuple(show_header(*header) for header in letter.all_headers),
            explanation=explanation,
            can_redrive=why_not is None,
            why_not=why_not,
        )

    async def _read_page(self, question: PageQuestion) -> ListPage[DeadLetter]:
        services = _SERVICES if question.service is None else (question.service,)
        bounds = await self._log.fetch_bounds(services)
        last_bounds, last_page = self._last.pop(question, (None, None))
        if last_page is None or last_bounds != bounds:
            last_page = await self._make_page(question, bounds)
        while len(self._last) >= _MAX_REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[question] = bounds, last_page
        return last_page

    async def _make_page(self, question: PageQuestion, bounds: _Bounds) -> ListPage[DeadLetter]:
        bytes_read = 0

        def list_letter(letter: Letter) -> ListedLetter | None:
            nonlocal bytes_read
            bytes_read += len(letter.value or b"")
            if question.reason not in {None, letter.reason}:
                return None
            return ListedLetter(letter.written_ms, letter.position.offset, letter.summary())

        started_at = time.monotonic()
        page = Page(_before_cursor(bounds, question.cursor), question.limit)
        most = _MAX_OFFSETS
        for size in _READ_SIZES:
            ranges = page.missing_ranges(size)
            if size * len(ranges) > most:
                ranges = page.missing_ranges(max(1, most // len(ranges)))
            if not ranges or time.monotonic() - started_at > _MAX_SECONDS:
                break
            bytes_read = 0
            page.add_read(ranges, await self._log.read_ranges(ranges, list_letter))
            # As many more large ones would take longer than a request may.
            offsets_read = sum(end - begin for begin, end in ranges.values())
            most = min(_MAX_OFFSETS, _MAX_BYTES * offsets_read // max(1, bytes_read))
        return ListPage[DeadLetter](items=page.items, next_cursor=_encode_ends(page.ends()))


async def find_letter(letter_log: LetterLog, letter_id: str) -> Letter:
    """Return the dead letter with this id. Raises `HttpProblem` (404, 503)."""
    position = parse_position(letter_id)
    found = {} if position is None else await letter_log.read_letters({position})
    if position not in found:
        raise HttpProblem(
            404, "dead_letter_not_found", "There is no dead letter with this id, or not any more."
        )
    return found[position]


def _before_cursor(bounds: _Bounds, cursor: str | None) -> _Bounds:
    """Return the offsets that are left behind a cursor: none of a partition that it does not name."""
    if cursor is None:
        return bounds
    parts = pagination.decode_cursor(cursor, tuple[BigInt, ...])
    ends = {
        (_SERVICES[service % len(_SERVICES)], number): end
        for service, number, end in zip(parts[::3], parts[1::3], parts[2::3], strict=False)
    }
    return {
        partition: OffsetRange(begin, max(begin, min(end, ends.get(partition, 0))))
        for partition, (begin, end) in bounds.items()
    }


def _encode_ends(ends: Mapping[LetterPartition, int]) -> str | None:
    parts = [
        part for (service, number), end in ends.items() for part in (_SERVICES.index(service), number, end)
    ]
    return pagination.encode_cursor(*parts) if parts else None
