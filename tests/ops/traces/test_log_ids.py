"""A log line about a room, a command or a trace has their ids."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from structlog.testing import LogCapture
from structlog.typing import EventDict

from cohost_schemas import commands, topics
from cohost_schemas.envelope import Correlation
from cohost_schemas.facts import RoomChanged
from cohost_schemas.signals import GrantCallFailed
from services.broadcast.domain.state import Member, OneOffAction, Room
from services.broadcast.effects import work_item_runner
from services.broadcast.effects.call_limits import CallSlots
from services.broadcast.effects.report_writer import FailureLog
from services.broadcast.effects.work_item_runner import WorkItemRunner
from services.broadcast.effects.work_queue import WorkItem
from services.gateway import trace
from services.gateway.commands.metrics import CommandMetrics
from services.gateway.commands.runner import CommandRunner, Submission
from services.gateway.http import facts
from services.gateway.kafka_access import KafkaAccess
from services.gateway.trace import PublicationTracer
from services.runtime.http import middleware
from services.runtime.http.problems import HttpProblem
from services.runtime.tracing.traces import Traces
from tests.contract.service_processes import REPOSITORY

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-00"
AT = "2026-01-01T00:00:00.000Z"
CORRELATION = Correlation("show 7", PARENT)


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    """The lines of this test, with the ids that are bound to its tasks."""
    before, capture = structlog.get_config(), LogCapture()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, capture], cache_logger_on_first_use=False
    )
    yield capture.entries
    structlog.configure(**before)


def ids_in(lines: list[EventDict], event: str) -> dict[str, str]:
    """Return the ids in the only line with this event."""
    [line] = [line for line in lines if line["event"] == event]
    return {name: line[name] for name in ("room_id", "command_id", "trace_id") if name in line}


def carry_trace_of(headers: list[tuple[bytes, bytes]]) -> None:
    application = SimpleNamespace(state=SimpleNamespace(traces=Traces()))
    trace.carry_trace(Request({"type": "http", "headers": headers, "app": application}))


def no_client() -> Any:
    raise AssertionError


async def test_a_command_that_is_not_confirmed(lines: list[EventDict]) -> None:
    carry_trace_of([(b"traceparent", PARENT.encode())])
    data = commands.SendInvitation(room_id="room-1", user_id="bob", actor_id="alice")
    runner = CommandRunner(KafkaAccess(no_client), cast("Any", None), CommandMetrics(CollectorRegistry()))
    await runner.run(Submission(data, "key-1", 0, ""))
    expected = {"room_id": "room-1", "command_id": "key-1", "trace_id": TRACE}
    assert ids_in(lines, "command not confirmed") == expected


_LOG_AS_A_LIBRARY = f"""
import logging
from services.runtime import log_ids, logs
logs.configure_logging("info")
with log_ids.bound_ids("room-1", "key-1", "{PARENT}"):
    logging.getLogger("cohost").warning("not yet")
"""


def test_a_librarys_line_has_the_ids_too() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'schemas'}"}
    output = subprocess.check_output([sys.executable, "-c", _LOG_AS_A_LIBRARY], env=environment)
    line = {"event": "not yet", **json.loads(output)}
    assert ids_in([line], "not yet") == {"room_id": "room-1", "command_id": "key-1", "trace_id": TRACE}


@pytest.mark.parametrize(("topic", "room_ids"), [(topics.ROOMS, {"room_id": "key"}), (topics.USERS, {})])
async def test_a_fact_that_is_not_confirmed(
    lines: list[EventDict], topic: topics.Topic, room_ids: dict[str, str]
) -> None:
    carry_trace_of([(b"traceparent", PARENT.encode())])
    data = RoomChanged(room_id="key", host_id="alice", status="live")
    writer = facts.FactWriter(KafkaAccess(no_client), PublicationTracer())
    with pytest.raises(HttpProblem):
        await writer.write(topic, "key", data)
    assert ids_in(lines, "fact not confirmed") == {**room_ids, "trace_id": TRACE}


async def test_a_request_that_fails(lines: list[EventDict]) -> None:
    application = FastAPI()
    histogram = middleware.request_histogram(CollectorRegistry())
    application.add_middleware(middleware.RequestMetrics, histogram=histogram)

    @application.get("/v1/rooms/{roomId}/broken")  # noqa: FAST003 - it fails before it needs the room
    async def broken() -> None:
        raise RuntimeError

    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as web:
        answer = await web.get("/v1/rooms/room-1/broken", headers={"traceparent": PARENT})
    assert answer.status_code == 500
    assert ids_in(lines, "request failed") == {"room_id": "room-1", "trace_id": TRACE}


def test_the_first_failing_call(lines: list[EventDict]) -> None:
    failure = GrantCallFailed(
        room_id="room-1", user_id="bob", version=1, error="x", attempts=1, retryable=True
    )
    FailureLog().record_failure(failure, CORRELATION)
    assert ids_in(lines, "LiveKit calls failing") == {"room_id": "room-1", "trace_id": TRACE}


class AcceptingReports:
    async def write_result(self, *_: object) -> bool:
        return False


async def test_a_skipped_action(lines: list[EventDict], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_item_runner, "_MAX_ACTION_AGE_MS", -1)
    action = OneOffAction("mute-1", "mute", "camera", "alice", AT, CORRELATION)
    item = WorkItem(
        Room("room-1", 0, "alice", AT, "live"), Member("bob"), apply_rights=False, actions=(action,)
    )
    throttle = SimpleNamespace(record_success=lambda: None)
    parts: list[Any] = [None, None, AcceptingReports(), throttle, None]
    runner = WorkItemRunner(*parts)
    await runner.run_item(item, await CallSlots().acquire_slot())
    expected = {"room_id": "room-1", "command_id": "mute-1", "trace_id": TRACE}
    assert ids_in(lines, "expired action skipped") == expected
