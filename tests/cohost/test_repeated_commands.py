"""A command repeated under the same id returns the outcome of its first use."""

import asyncio
from collections.abc import AsyncIterator

import pytest

import cohost
from cohost import ids
from cohost_schemas import topics
from cohost_schemas.events import CoHostLeft, InvitationSent
from tests.cohost.fake_services import (
    WAIT_SECONDS,
    FakeServices,
    client_with_short_timeout,
    co_host_left,
    command_rejected,
    invitation_data,
    start_command,
)


@pytest.fixture
async def http_without_commands() -> AsyncIterator[str]:
    """The URL of an HTTP API that has no command outcome."""
    body = b'{"reason": "command_not_found"}'

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n" + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_hanging_http_api_does_not_block_a_repeated_command(
    kafka: str, service: FakeServices
) -> None:
    identifier = ids.uuid7()
    await service.publish_outcome(identifier, "room", co_host_left("room"))
    hanging = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}"
    async with cohost.Client(
        kafka, prefix=service.prefix, invitations_url=url, timeout=WAIT_SECONDS
    ) as client:
        assert (await client.leave_stage("room", "bob", command_id=identifier)).data.user_id == "bob"
    hanging.close()


async def test_a_missing_token_does_not_block_a_repeated_command(kafka: str, service: FakeServices) -> None:
    identifier = ids.uuid7()
    await service.publish_outcome(identifier, "room", co_host_left("room"))

    def no_token() -> str:
        raise LookupError

    nowhere = "http://127.0.0.1:1"
    async with cohost.Client(
        kafka, prefix=service.prefix, invitations_url=nowhere, token=no_token, timeout=WAIT_SECONDS
    ) as client:
        assert (await client.leave_stage("room", "bob", command_id=identifier)).data.user_id == "bob"


async def test_a_repeat_after_weeks_finds_its_outcome_in_the_log(
    kafka: str, service: FakeServices, http_without_commands: str
) -> None:
    identifier = "01900000-0000-7000-8000-000000000000"
    sent = invitation_data("room", identifier)
    await service.publish_outcome(identifier, "room", (topics.INVITATION_EVENTS, "InvitationSent", sent))
    async with cohost.Client(
        kafka, prefix=service.prefix, invitations_url=http_without_commands, timeout=WAIT_SECONDS
    ) as client:
        again = await client.send_invitation("room", "bob", "alice", command_id=identifier)
    assert again.data == InvitationSent.model_validate(sent)


async def test_a_repeated_command_returns_a_late_outcome(kafka: str, service: FakeServices) -> None:
    async with client_with_short_timeout(kafka, service) as client:
        with pytest.raises(cohost.OutcomeUnknown) as raised:
            await client.leave_stage("room", "bob")
        command = await service.next_command()
        await service.publish_outcome(command.envelope.id, "room", co_host_left("room"))
        again = await client.leave_stage("room", "bob", command_id=raised.value.command_id)
    assert again.data == CoHostLeft.model_validate(co_host_left("room")[2])


@pytest.mark.parametrize("identifier", [ids.uuid7(), "my-own-id"], ids=["uuid7", "any other"])
async def test_a_repeat_from_another_process_returns_the_first_outcome(
    kafka: str, service: FakeServices, identifier: str
) -> None:
    async with cohost.Client(kafka, prefix=service.prefix, timeout=WAIT_SECONDS) as first:
        command_task = start_command(first.leave_stage("room", "bob", command_id=identifier))
        await service.next_command()
        await service.publish_outcome("something else", "room", co_host_left("room", "nobody"))
        await service.publish_outcome(identifier, "room", co_host_left("room"))
        outcome = await command_task
    async with cohost.Client(kafka, prefix=service.prefix, timeout=WAIT_SECONDS) as second:
        assert await second.leave_stage("room", "bob", command_id=identifier) == outcome


async def test_a_repeat_from_another_process_returns_the_first_rejection(
    kafka: str, service: FakeServices
) -> None:
    async with client_with_short_timeout(kafka, service) as first:
        with pytest.raises(cohost.OutcomeUnknown) as raised:
            await first.leave_stage("room", "bob")
        command = await service.next_command()
        await service.publish_outcome(command.envelope.id, "room", command_rejected(command, "not_co_host"))
    async with cohost.Client(kafka, prefix=service.prefix, timeout=WAIT_SECONDS) as second:
        with pytest.raises(cohost.Rejected, match="not_co_host"):
            await second.leave_stage("room", "bob", command_id=raised.value.command_id)
