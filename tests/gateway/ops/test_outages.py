"""Counting and histories while Kafka is away."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stack import Stack
from tests.contract.polling import wait_until
from tests.gateway.ops import ops_copy, ops_log
from tests.gateway.ops.ops_copy import OpsCopy
from tests.gateway.ops.ops_log import OpsLog


@pytest.fixture(scope="module")
async def isolated_stack() -> AsyncIterator[Stack]:
    """A Kafka for this module alone, to be killed."""
    async with Stack(components=("kafka",), isolated=True) as up:
        yield up


@pytest.fixture
def kafka(isolated_stack: Stack) -> str:
    return isolated_stack.kafka_bootstrap_servers


@pytest.fixture
async def copy(log: OpsLog) -> AsyncIterator[OpsCopy]:
    """A copy that answers as soon as a gateway does."""
    async with ops_copy.run_copy(log.connection) as copy:
        yield copy


async def test_every_record_counts_once_over_a_restart_of_kafka(
    isolated_stack: Stack, copy: OpsCopy, log: OpsLog
) -> None:
    async def play(first: int) -> None:
        async with ops_log.open_ops_log(log.connection) as producing:
            for number in range(first, first + 20):
                await producing.write(
                    ops_log.invited("InvitationExpired", f"send-{number}", room=f"room-{number}"),
                    ops_log.invited("InvitationSent", f"send-{number}", room=f"room-{number}"),
                    ops_log.rejected("room_full", f"accept-{number}", room=f"room-{number}"),
                )

    async def read_history(room: str) -> Any:
        answer = await copy.request(f"rooms/{room}/history")
        return answer.json() if answer.status_code == 200 else None

    await play(0)
    since = (await copy.read("activity"))["since"]
    history = await wait_until(lambda: read_history("room-1"), "the history")
    assert len(history["items"]) == 3
    isolated_stack.process_of("kafka").kill()
    answer = await copy.request("rooms/room-2/history")
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
    await isolated_stack.restart("kafka")
    await play(20)
    await copy.wait_for_count("rejected", 40)
    activity = await copy.wait_for_count("events", 80)
    assert activity["since"] == since
    counts = {name: sum(sample[name] for sample in activity["samples"]) for name in ("accepted", "events")}
    assert counts == {"accepted": 40, "events": 80}
    assert activity["refusals"] == [{"reason": "room_full", "count": 40}]
    history = await wait_until(lambda: read_history("room-30"), "the history after the outage")
    assert len(history["items"]) == 3
