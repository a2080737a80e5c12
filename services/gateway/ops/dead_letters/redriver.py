"""Write the records of dead letters to where they belong, as they are or mended."""

import asyncio
import base64
from collections.abc import Sequence
from http import HTTPStatus

import structlog
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.producer import ClientClosed, CloudEventProducer, DeliveryState
from cohost_schemas.ops.dead_letters import RedriveManyRequest, RedriveRequest, RedriveResult, RedriveResults
from services.gateway.http.command_answers import RETRY_SECONDS
from services.gateway.ops.dead_letters.letter import parse_position
from services.gateway.ops.dead_letters.letter_list import find_letter
from services.gateway.ops.dead_letters.letter_log import LetterLog
from services.gateway.ops.dead_letters.metrics import RedriveMetrics
from services.gateway.ops.dead_letters.newer_facts import NewerFactSearch
from services.gateway.ops.dead_letters.record_check import CheckedRecord
from services.gateway.ops.dead_letters.redrive_plan import MendedLetter, RedrivePlan, plan_redrives
from services.runtime.http.problems import HttpProblem

_WRITE_SECONDS = 5.0

log = structlog.get_logger()


class Redriver:
    """Redrives dead letters for their requests. Its methods raise `HttpProblem` (404, 413, 422, 503)."""

    def __init__(
        self,
        letter_log: LetterLog,
        newer_facts: NewerFactSearch,
        producer: CloudEventProducer,
        metrics: RedriveMetrics,
    ) -> None:
        self._log = letter_log
        self._newer_facts = newer_facts
        self._producer = producer
        self._metrics = metrics

    async def redrive(self, letter_id: str, wanted: RedriveRequest, by: str) -> RedriveResult:
        """Redrive a dead letter, perhaps mended, for the operator `by`; in a dry run only judge it."""
        value = _decode_value(wanted)
        letter = await find_letter(self._log, letter_id)
        mended = MendedLetter(
            letter,
            letter.key if wanted.key is None else wanted.key.encode(),
            letter.value if value is None else value,
        )
        [result] = await self._redrive_letters([mended], by, is_dry=bool(wanted.dry_run))
        return result

    async def redrive_many(self, wanted: RedriveManyRequest, by: str) -> RedriveResults:
        """Redrive dead letters as they are for the operator `by`; in a dry run only judge them."""
        positions = {letter_id: parse_position(letter_id) for letter_id in wanted.ids}
        letters = await self._log.read_letters({position for position in positions.values() if position})
        # The oldest first, so that of several facts of one key the newest is the last.
        in_order = sorted(letters.values(), key=lambda letter: (letter.at, letter.position))
        mended = [MendedLetter(letter, letter.key, letter.value) for letter in in_order]
        results = await self._redrive_letters(mended, by, is_dry=bool(wanted.dry_run), is_one=False)
        by_id = {result.id: result for result in results}
        return RedriveResults(
            items=tuple(by_id.get(letter_id) or _not_found(letter_id) for letter_id in positions)
        )

    async def _redrive_letters(
        self, mended: Sequence[MendedLetter], by: str, *, is_dry: bool, is_one: bool = True
    ) -> list[RedriveResult]:
        plans = await plan_redrives(mended, await self._log.checker(), self._newer_facts)
        carry_out = self._carry_out if is_one else self._carry_out_if_taken
        return [plan.result if is_dry else await carry_out(plan, by) for plan in plans]

    async def _carry_out_if_taken(self, plan: RedrivePlan, by: str) -> RedriveResult:
        """Redrive one of many: what Kafka does not take must not keep back those that come after it."""
        try:
            return await self._carry_out(plan, by)
        except HttpProblem as problem:
            if problem.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise
            return plan.result.model_copy(update={"explanation": problem.detail})

    async def _carry_out(self, plan: RedrivePlan, by: str) -> RedriveResult:
        result = plan.result
        if plan.record is not None:
            position = await self._write_record(plan.record)
            causation_id = result.causation_id or position
            result = result.model_copy(update={"written": True, "causation_id": causation_id})
        self._metrics.count_result(result)
        # No value and no key: they may be personal data.
        log.info(
            "dead letter redriven" if result.written else "dead letter not redriven",
            by=by,
            dead_letter=result.id,
            verdict=result.verdict,
            topic=result.topic,
            partition=result.partition,
        )
        return result

    async def _write_record(self, record: CheckedRecord) -> str:
        """Return the position of the record once Kafka has confirmed it."""
        delivery = DeliveryState()
        key = (record.key or b"").decode()
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._producer.send_record(record.topic, key, record.value, delivery, record.headers)
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            self._metrics.count_failure("too_large")
            raise HttpProblem(413, "too_large", "The record is larger than Kafka takes.") from None
        except (ClientClosed, *UNAVAILABLE_ERRORS) as error:
            self._metrics.count_failure("unavailable")
            log.warning("redrive not confirmed", dead_letter=str(record.letter.position), error=repr(error))
            raise HttpProblem(
                503,
                "unavailable",
                "Kafka has not confirmed the record; redrive it again.",
                retry_after=RETRY_SECONDS,
            ) from None
        return f"{record.letter.topic}:{delivery.partition}:{delivery.offset}"


def _decode_value(wanted: RedriveRequest) -> bytes | None:
    """Return the mended value, None if it is not mended. Raises `HttpProblem` (422)."""
    if wanted.text is not None and wanted.base64 is not None:
        raise HttpProblem(422, "invalid_request", "text: It stands beside base64; only one can be the value.")
    try:
        if wanted.base64 is not None:
            return base64.b64decode(wanted.base64, validate=True)
        return None if wanted.text is None else wanted.text.encode()
    except ValueError:
        name = "base64" if wanted.base64 is not None else "text"
        raise HttpProblem(422, "invalid_request", f"{name}: It cannot be decoded.") from None


def _not_found(letter_id: str) -> RedriveResult:
    return RedriveResult(
        id=letter_id,
        written=False,
        verdict="dead_letter_not_found",
        explanation="There is no dead letter with this id, or not any more.",
    )
