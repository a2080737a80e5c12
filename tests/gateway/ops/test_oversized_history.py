"""Small batches that unpack to too much do not keep a room's history from being read."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cohost_schemas import topics
from cohost_schemas.partitions import partition_of
from tests.contract.polling import wait_until
from tests.crafted_batches import build_batch, record_parts, send_batches, zstd_with_zeros
from tests.gateway.ops import ops_copy, ops_log
from tests.gateway.ops.ops_copy import OpsCopy
from tests.gateway.ops.ops_log import ROOM, OpsLog, PlayedRecord
from tests.gateway.streams.stream_log import PARTITIONS

BATCHES = 60
UNPACKED_BYTES = 70_000_000
# Of this process: a search that begins at the same place each time takes three times as much.
CPU_SECONDS = 20


@pytest.fixture
async def copy(log: OpsLog) -> AsyncIterator[OpsCopy]:
    """A copy whose requests take as long as a gateway's."""
    async with ops_copy.run_copy(log.connection) as copy:
        yield copy


async def read_part(copy: OpsCopy, **params: Any) -> Any:
    """Return a part of the history, asked for again where a request's time is over."""

    async def read() -> Any:
        answer = await copy.request(f"rooms/{ROOM}/history", **params)
        assert answer.status_code in (200, 503), answer.text
        return answer.json() if answer.is_success else None

    return await wait_until(read, "a part of the history")


def command(number: int) -> PlayedRecord:
    return ops_log.event(topics.INVITATION_COMMANDS, "SendInvitation", "none", event_id=f"send-{number}")


async def send_oversized(log: OpsLog, kafka: str) -> None:
    name = log.connection.topic_name(topics.INVITATION_COMMANDS)
    head, tail = record_parts(UNPACKED_BYTES)
    batch = build_batch("zstd", zstd_with_zeros(head, UNPACKED_BYTES, tail))
    await send_batches(kafka, name, partition_of(ROOM, PARTITIONS), [batch] * BATCHES)


async def test_a_history_goes_on_past_batches_that_unpack_to_too_much(
    copy: OpsCopy, log: OpsLog, kafka: str
) -> None:
    await log.write(command(1))
    await send_oversized(log, kafka)
    await log.write(command(2))
    part = await read_part(copy)
    items = part["items"]
    while part["before"] is not None:
        part = await read_part(copy, before=part["before"])
        items = part["items"] + items
    assert [item["event"]["id"] for item in items] == ["send-1", "send-2"]


async def test_what_is_new_behind_such_batches_is_found(copy: OpsCopy, log: OpsLog, kafka: str) -> None:
    await log.write(command(1))
    assert len((await read_part(copy))["items"]) == 1
    await send_oversized(log, kafka)
    await log.write(command(2))

    began = time.process_time()

    async def is_found() -> bool:
        assert time.process_time() - began < CPU_SECONDS
        part = await read_part(copy)
        # A search that was cut before it found anything goes on in the part before.
        while not part["items"] and part["before"] is not None:
            assert time.process_time() - began < CPU_SECONDS
            part = await read_part(copy, before=part["before"])
        return bool(part["items"] and part["items"][-1]["event"]["id"] == "send-2")

    await wait_until(is_found, "the command behind the batches")
