"""Properties of the processor for any sequence of facts and commands."""

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cohost_schemas import topics
from messaging.processor import InputRecord, Rejection
from services.invitations.domain.stage import Stage
from tests.invitations import shows
from tests.invitations.theatre import Theatre


def play(processor: Theatre, record: InputRecord) -> Any:
    if record.topic is not topics.USERS and processor.memory.mark_used([record.key]):
        processor.memory.add_stage(record.key, Stage(0, has_full_history=True))
    return processor.domain.decide(record, processor.changes)


def stages(processor: Theatre) -> dict[str, Any]:
    return {
        key: (stage.room, dict(stage.pending_by_id), dict(stage.seats))
        for key, stage in processor.memory.stages.items()
    }


@given(shows.SHOWS)
@settings(max_examples=300, deadline=None)
def test_a_repeated_command_changes_nothing(script: list[InputRecord]) -> None:
    processor = Theatre()
    for record in script:
        outcome = play(processor, record)
        if record.topic is topics.INVITATION_COMMANDS:
            before = deepcopy(stages(processor))
            again = play(processor, record._replace(id=f"{record.id}-again", offset=record.offset + 1000))
            assert isinstance(again, Rejection)
            assert stages(processor) == before
            assert isinstance(outcome, Rejection) or len(outcome) >= 1


@given(shows.SHOWS)
@settings(max_examples=300, deadline=None)
def test_a_stage_never_exceeds_its_limits(script: list[InputRecord]) -> None:
    processor = Theatre()
    for record in script:
        seated = {key: len(stage.seats) for key, stage in processor.memory.stages.items()}
        play(processor, record)
        for key, stage in processor.memory.stages.items():
            waiting = [entry.user_id for entry in stage.pending_by_id.values()]
            room = stage.room
            assert len(waiting) == len(set(waiting))
            assert sorted(waiting) == sorted(stage.pending_by_user)
            assert not set(waiting) & set(stage.seats)
            assert room is None or room.host_id not in {*waiting, *stage.seats}
            assert room is None or len(stage.seats) <= max(room.max_co_hosts, seated.get(key, 0))
            assert room is None or (room.is_open and not room.deleted) or not (waiting or stage.seats)


@given(shows.SHOWS, st.data())
@settings(max_examples=200, deadline=None)
def test_every_rejection_leaves_the_stage_unchanged(script: list[InputRecord], data: Any) -> None:
    processor = Theatre()
    watched = data.draw(st.integers(0, len(script)))
    for index, record in enumerate(script):
        before = deepcopy(stages(processor)) if index >= watched else None
        outcome = play(processor, record)
        if before is not None and isinstance(outcome, Rejection):
            assert {key: stages(processor)[key] for key in before} == before
