"""Properties of the processor for any sequence of facts and commands."""

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cohost_schemas import topics
from cohost_schemas.commands import ArrangeStage
from messaging.processor import InputRecord, Rejection
from services.invitations.domain.stage import Stage
from tests.invitations import record_strategies
from tests.invitations.in_memory_processor import InMemoryProcessor


def decide_script_record(processor: InMemoryProcessor, record: InputRecord) -> Any:
    if record.topic is not topics.USERS and processor.cache.mark_used([record.key]):
        processor.cache.add_stage(record.key, Stage(0, has_full_history=True))
    return processor.processor.decide(record, processor.changes)


def stage_documents(processor: InMemoryProcessor) -> dict[str, Any]:
    return {
        key: (stage.room, dict(stage.pending_by_id), dict(stage.seats))
        for key, stage in processor.cache.stages.items()
    }


@given(record_strategies.SCRIPTS)
@settings(max_examples=300, deadline=None)
def test_a_repeated_command_changes_nothing(script: list[InputRecord]) -> None:
    processor = InMemoryProcessor()
    for record in script:
        outcome = decide_script_record(processor, record)
        if record.topic is topics.INVITATION_COMMANDS:
            before = deepcopy(stage_documents(processor))
            again = decide_script_record(
                processor, replace(record, id=f"{record.id}-again", offset=record.offset + 1000)
            )
            # Arranging the stage again succeeds and moves nothing.
            assert isinstance(again, Rejection) or isinstance(record.data, ArrangeStage)
            assert stage_documents(processor) == before
            assert isinstance(outcome, Rejection) or len(outcome) >= 1


@given(record_strategies.SCRIPTS)
@settings(max_examples=300, deadline=None)
def test_a_stage_never_exceeds_its_limits(script: list[InputRecord]) -> None:
    processor = InMemoryProcessor()
    for record in script:
        seated = {key: len(stage.seats) for key, stage in processor.cache.stages.items()}
        decide_script_record(processor, record)
        for key, stage in processor.cache.stages.items():
            waiting = [entry.user_id for entry in stage.pending_by_id.values()]
            room = stage.room
            assert len(waiting) == len(set(waiting))
            assert sorted(waiting) == sorted(stage.pending_by_user)
            assert not set(waiting) & set(stage.seats)
            positions = [seat.position for seat in stage.seats.values()]
            assert positions == sorted(set(positions))
            assert room is None or room.host_id not in {*waiting, *stage.seats}
            assert room is None or len(stage.seats) <= max(room.max_co_hosts, seated.get(key, 0))
            assert room is None or (room.is_open and not room.deleted) or not (waiting or stage.seats)


@given(record_strategies.SCRIPTS, st.data())
@settings(max_examples=200, deadline=None)
def test_every_rejection_leaves_the_stage_unchanged(script: list[InputRecord], data: Any) -> None:
    processor = InMemoryProcessor()
    watched = data.draw(st.integers(0, len(script)))
    for index, record in enumerate(script):
        before = deepcopy(stage_documents(processor)) if index >= watched else None
        outcome = decide_script_record(processor, record)
        if before is not None and isinstance(outcome, Rejection):
            assert {key: stage_documents(processor)[key] for key in before} == before
