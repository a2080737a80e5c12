"""The record that a redrive of a dead letter will write, or the reason why it will not."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from cohost_schemas.ops.dead_letters import RedriveResult
from messaging.inputs.record_size import LARGE_RECORD_BYTES
from services.gateway.ops.dead_letters.letter import Letter
from services.gateway.ops.dead_letters.newer_facts import NewerFactSearch
from services.gateway.ops.dead_letters.record_check import CheckedRecord, RecordChecker

_WARNINGS = {
    True: "The topic has a newer record of this key, which this one replaces.",
    False: None,
    None: "Whether the topic has a newer record of this key, which this one replaces, was not found in time.",
}


class MendedLetter(NamedTuple):
    """A dead letter, and the key and the value with which it is redriven."""

    letter: Letter
    key: bytes | None
    value: bytes | None


class RedrivePlan(NamedTuple):
    """The record to write, None if nothing can be written, and the result if it is not written."""

    record: CheckedRecord | None
    result: RedriveResult


async def plan_redrives(
    mended: Sequence[MendedLetter], checker: RecordChecker, newer_facts: NewerFactSearch
) -> list[RedrivePlan]:
    """Return what redrives will write, with a warning about facts of which there are newer ones."""
    plans = [await _plan_redrive(letter, checker) for letter in mended]
    facts = [plan.record for plan in plans if plan.record is not None and not plan.record.is_command]
    newer = await newer_facts.find_newer(facts) if facts else []
    warnings = {
        str(fact.letter.position): _WARNINGS[is_newer] for fact, is_newer in zip(facts, newer, strict=True)
    }
    return [
        plan._replace(result=plan.result.model_copy(update={"warning": warnings.get(plan.result.id)}))
        for plan in plans
    ]


async def _plan_redrive(mended: MendedLetter, checker: RecordChecker) -> RedrivePlan:
    letter_id = str(mended.letter.position)
    obstacle = checker.find_obstacle(mended.letter)
    if obstacle is not None:
        return RedrivePlan(
            None,
            RedriveResult(id=letter_id, written=False, verdict="not_redrivable", explanation=obstacle),
        )
    # A thread gives the interpreter back every few milliseconds; the event loop would not.
    record = (
        await asyncio.to_thread(checker.check_record, *mended)
        if len(mended.value or b"") > LARGE_RECORD_BYTES
        else checker.check_record(*mended)
    )
    is_ok = record.verdict == "ok"
    result = RedriveResult(
        id=letter_id,
        written=False,
        verdict=record.verdict,
        explanation=record.explanation,
        topic=mended.letter.topic,
        partition=record.partition,
        command_id=record.event_id if is_ok and record.is_command else None,
        causation_id=record.event_id if is_ok else None,
    )
    return RedrivePlan(record if is_ok else None, result)
