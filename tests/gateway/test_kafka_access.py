"""The gateway's client of Kafka: opened again where the broker's ACLs forbade commands."""

import asyncio
from typing import Any, Self, cast

import pytest
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from structlog.testing import capture_logs

import cohost
from services.gateway import kafka_access
from services.gateway.kafka_access import KafkaAccess

SECONDS = 60


class FakeClient:
    """A client that may send commands unless there is an error. `has_closed` is set once it has closed."""

    def __init__(self, command_error: KafkaError | None = None) -> None:
        self.command_error = command_error
        self.has_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        self.has_closed = True


async def test_a_client_that_may_not_send_commands_is_replaced_until_one_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kafka_access, "_FORBIDDEN_SECONDS", 0.01)
    errors: list[KafkaError | None] = [TopicAuthorizationFailedError("commands")] * 2
    was_ready: list[bool] = []
    may_send = asyncio.Event()

    def create_client() -> Any:
        was_ready.append(access.is_ready)
        if not errors:
            may_send.set()
        return FakeClient(errors.pop() if errors else None)

    access = KafkaAccess(cast("Any", create_client))
    with capture_logs() as logs:
        running = asyncio.create_task(access.run())
        async with asyncio.timeout(SECONDS):
            await may_send.wait()
            while not access.is_ready:
                await asyncio.sleep(0)
        access.stop()
        await running
    assert was_ready == [False, False, False]
    assert [line["event"] for line in logs] == ["commands are forbidden"]


async def test_a_client_that_may_not_send_commands_can_write_facts_meanwhile() -> None:
    forbidden = FakeClient(TopicAuthorizationFailedError("commands"))
    access = KafkaAccess(lambda: cast("cohost.Client", forbidden))
    running = asyncio.create_task(access.run())
    async with asyncio.timeout(SECONDS):
        while access._client is None:  # noqa: SLF001 - what `client` has when it is open
            await asyncio.sleep(0)
    assert (access.client, access.is_ready) == (cast("cohost.Client", forbidden), False)
    access.stop()
    await running


@pytest.mark.parametrize("error", [None, TopicAuthorizationFailedError("commands")], ids=repr)
async def test_a_client_is_closed_in_peace(error: KafkaError | None) -> None:
    client = FakeClient(error)
    access = KafkaAccess(lambda: cast("cohost.Client", client))
    running = asyncio.create_task(access.run())
    async with asyncio.timeout(SECONDS):
        while access._client is None:  # noqa: SLF001 - as above
            await asyncio.sleep(0)
    access.stop()
    await running
    assert client.has_closed
