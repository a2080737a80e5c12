"""A command in steps: published without waiting, awaited with its own limit, found in the log."""

import asyncio

import pytest

import cohost
from cohost import ids
from cohost_schemas import commands
from tests.cohost.fake_services import WAIT_SECONDS, FakeServices, co_host_left, command_rejected

LEAVE = commands.LeaveStage(room_id="room", actor_id="bob")


async def test_a_command_is_published_without_waiting_for_its_outcome(
    client: cohost.Client, service: FakeServices
) -> None:
    with client.open_command(LEAVE) as command:
        await command.publish()
        assert command.delivery.is_published
        assert command.outcome is None
        received = await service.next_command()
        assert (received.partition, received.offset) == (command.delivery.partition, command.delivery.offset)
        await command.wait(0)
        assert command.outcome is None
        await service.publish_outcome(command.command_id, "room", co_host_left("room"))
        await command.wait(WAIT_SECONDS)
        assert isinstance(command.outcome, cohost.Accepted)


async def test_events_keep_the_records_values(client: cohost.Client, service: FakeServices) -> None:
    pending = asyncio.ensure_future(client.leave_stage("room", "bob"))
    received = await service.next_command()
    await service.publish_outcome(received.envelope.id, "room", co_host_left("room"))
    [event] = (await pending).events
    assert event.value.startswith(b'{"specversion":"1.0"')


async def test_an_outcome_from_before_is_found_with_the_time_of_its_decision(
    client: cohost.Client, service: FakeServices
) -> None:
    await service.publish_outcome("an-older-id", "room", co_host_left("room"))
    with client.open_command(LEAVE, "an-older-id") as command:
        assert await command.search_log(decided_at="2126-01-01T12:00:00.000Z") is None
        found = await command.search_log(decided_at="2026-01-01T12:00:00.000Z", room_id="room")
        assert isinstance(found, cohost.Accepted)
        assert command.outcome == found


async def test_a_rejection_is_an_outcome_and_no_error(client: cohost.Client, service: FakeServices) -> None:
    with client.open_command(LEAVE) as command:
        await command.publish()
        received = await service.next_command()
        more = {"retryAt": "2026-01-01T12:00:00.000Z"}
        await service.publish_outcome(
            command.command_id, "room", command_rejected(received, "not_co_host", **more)
        )
        await command.wait(WAIT_SECONDS)
        outcome = command.outcome
    assert isinstance(outcome, cohost.Rejected)
    assert (outcome.reason, outcome.retry_at) == ("not_co_host", more["retryAt"])


async def test_an_invalid_id_opens_nothing(client: cohost.Client) -> None:
    with pytest.raises(ValueError, match="invalid command id"), client.open_command(LEAVE, "a/b"):
        pass


async def test_an_open_command_that_is_left_harms_no_other(
    client: cohost.Client, service: FakeServices
) -> None:
    identifier = ids.uuid7()

    async def wait_for_outcome() -> object:
        with client.open_command(LEAVE, identifier) as command:
            await command.publish()
            await command.wait(WAIT_SECONDS)
            return command.outcome

    left, kept = asyncio.ensure_future(wait_for_outcome()), asyncio.ensure_future(wait_for_outcome())
    await service.next_command()
    left.cancel()
    await service.publish_outcome(identifier, "room", co_host_left("room"))
    assert isinstance(await kept, cohost.Accepted)
    assert left.cancelled()
