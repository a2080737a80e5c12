import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

import cohost
from stack import Stack
from tests.cohost.fake_services import FakeServices, co_host_left, run_fake_services

TIMEOUT_SECONDS = 120


@pytest.fixture(scope="module")
async def isolated_stack() -> AsyncIterator[Stack]:
    """A Kafka for this module alone, to be paused and killed."""
    async with Stack(components=("kafka",), isolated=True) as up:
        yield up


@pytest.fixture
async def service(isolated_stack: Stack) -> AsyncIterator[FakeServices]:
    async with run_fake_services(
        isolated_stack.kafka_bootstrap_servers, f"t{secrets.token_hex(4)}."
    ) as service:
        yield service


def create_client(isolated_stack: Stack, service: FakeServices, timeout: float) -> cohost.Client:
    return cohost.Client(isolated_stack.kafka_bootstrap_servers, prefix=service.prefix, timeout=timeout)


async def answer_command(isolated_stack: Stack, prefix: str, command_id: str, user: str) -> None:
    """Start fake services and answer one command."""
    async with run_fake_services(isolated_stack.kafka_bootstrap_servers, prefix) as service:
        while (await service.next_command()).envelope.id != command_id:
            continue
        await service.publish_outcome(command_id, "room", co_host_left("room", user))


async def test_a_timeout_while_kafka_is_paused_leaves_the_outcome_unknown(
    isolated_stack: Stack, service: FakeServices
) -> None:
    async with create_client(isolated_stack, service, 2) as impatient:
        isolated_stack.process_of("kafka").pause()
        try:
            with pytest.raises(cohost.OutcomeUnknown) as raised:
                await impatient.leave_stage("room", "bob")
            with pytest.raises(cohost.NotConfirmed):
                await impatient.user_gone("bob")
        finally:
            isolated_stack.process_of("kafka").resume()
    assert raised.value.published in (None, False)
    assert raised.value.offset is None


async def test_commands_and_streams_survive_a_kafka_crash(
    isolated_stack: Stack, service: FakeServices
) -> None:
    async with create_client(isolated_stack, service, TIMEOUT_SECONDS) as patient, patient.events() as events:
        await service.publish_outcome("before", "room", co_host_left("room", "ann"))
        first = await asyncio.wait_for(anext(events), TIMEOUT_SECONDS)
        isolated_stack.process_of("kafka").kill()
        command_task = asyncio.ensure_future(patient.leave_stage("room", "bob", command_id="asked-in-vain"))
        await isolated_stack.restart("kafka")
        await answer_command(isolated_stack, service.prefix, "asked-in-vain", "bob")
        accepted = await command_task
        second = await asyncio.wait_for(anext(events), TIMEOUT_SECONDS)
    assert [first.envelope.causationid, second.envelope.causationid] == ["before", "asked-in-vain"]
    assert accepted.data.user_id == "bob"
