"""A session's bookkeeping of offsets that are never delivered."""

from typing import Any

import pytest
from aiokafka import TopicPartition

from messaging.session import Session
from tests.messaging.lane_inputs import COMMANDS, LANE
from tests.messaging.pipeline_in_process import running_pipeline
from tests.messaging.worker_fleet import WorkerFleet

FAR_OFFSET = 1_000


class FetchingConsumer:
    """A consumer whose positions are far ahead, and that fetches records while it is asked for them."""

    def __init__(self, *, fetches: bool) -> None:
        self.kafka_consumer = self
        self.has_unhandled = False
        self._fetches = fetches

    async def position(self, _: TopicPartition) -> int:
        self.has_unhandled = self._fetches
        return FAR_OFFSET


@pytest.mark.parametrize(("fetches", "position"), [(True, 0), (False, FAR_OFFSET)])
async def test_markers_are_skipped_unless_records_arrive_meanwhile(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch, *, fetches: bool, position: int
) -> None:
    async with running_pipeline(fleet.config) as pipeline:
        session: Any = pipeline._session  # noqa: SLF001 - the pipeline keeps its session to itself
        assert isinstance(session, Session)
        async with session._handle_lock:  # noqa: SLF001 - held by the session's tick, which calls this
            with monkeypatch.context() as patch:
                patch.setattr(session, "_consumer", FetchingConsumer(fetches=fetches))
                await session._skip_markers()  # noqa: SLF001 - as above
            lane = session.lanes[LANE]
            assert lane.position(COMMANDS.suffix) == position
            lane.reset_position(COMMANDS.suffix, 0)
