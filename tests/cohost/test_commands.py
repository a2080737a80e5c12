import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from pydantic import ValidationError

import cohost
from cohost import ids
from cohost.commands import outcomes
from cohost_schemas import topics
from cohost_schemas.envelope import Envelope
from cohost_schemas.events import InvitationExpired, InvitationSent
from cohost_schemas.facts import UserChanged
from cohost_schemas.invitation import Invitation
from cohost_schemas.partitions import partition_of
from tests.cohost.fake_services import (
    PARTITIONS,
    TIMESTAMP,
    WAIT_SECONDS,
    FakeServices,
    client_with_short_timeout,
    co_host_left,
    command_rejected,
    invitation_data,
    start_command,
)


async def test_a_command_is_written_to_its_rooms_partition(
    client: cohost.Client, service: FakeServices
) -> None:
    for number in range(5):
        room = f"room-{number}"
        command_task = start_command(client.leave_stage(room, "bob"))
        command = await service.next_command()
        assert command.partition == partition_of(room, PARTITIONS)
        assert command.key == room.encode()
        assert command.envelope == Envelope(
            id=command.envelope.id,
            source="/tests",
            type="cohost.LeaveStage.v1",
            subject=room,
            time=command.envelope.time,
            data={"roomId": room, "actorId": "bob"},
        )
        assert ids.made_at(command.envelope.id) is not None
        command_task.cancel()


async def test_every_event_of_a_command_belongs_to_its_outcome(
    client: cohost.Client, service: FakeServices
) -> None:
    command_task = start_command(client.send_invitation("room", "bob", "alice"))
    command = await service.next_command()
    old, new = invitation_data("room", "old", "expired"), invitation_data("room", command.envelope.id)
    await service.publish_outcome(
        command.envelope.id,
        "room",
        (topics.INVITATION_EVENTS, "InvitationExpired", old),
        (topics.INVITATION_EVENTS, "InvitationSent", new),
    )
    accepted = await command_task
    assert accepted.command_id == command.envelope.id
    assert [event.data for event in accepted.events] == [
        InvitationExpired.model_validate(old),
        InvitationSent.model_validate(new),
    ]
    assert accepted.data == InvitationSent.model_validate(new)
    assert {event.envelope.causationid for event in accepted.events} == {command.envelope.id}


async def test_a_rejection_is_raised_with_the_current_invitation(
    client: cohost.Client, service: FakeServices
) -> None:
    command_task = start_command(client.accept_invitation("room", "i-1", "bob"))
    command = await service.next_command()
    current = invitation_data("room", "i-1", "cancelled")
    await service.publish_outcome(
        command.envelope.id, "room", command_rejected(command, "invitation_not_pending", current=current)
    )
    with pytest.raises(cohost.Rejected) as raised:
        await command_task
    assert raised.value.command_id == command.envelope.id
    assert (raised.value.reason, raised.value.message) == ("invitation_not_pending", "No.")
    assert raised.value.current == Invitation.model_validate(current)


async def test_a_rejection_says_when_the_command_can_be_retried(
    client: cohost.Client, service: FakeServices
) -> None:
    command_task = start_command(client.resend_invitation("room", "i-1", "alice", expires_in_seconds=60))
    command = await service.next_command()
    assert command.envelope.data["expiresInSeconds"] == 60
    await service.publish_outcome(
        command.envelope.id, "room", command_rejected(command, "too_soon", retryAt=TIMESTAMP)
    )
    with pytest.raises(cohost.Rejected) as raised:
        await command_task
    assert (raised.value.reason, raised.value.retry_at) == ("too_soon", TIMESTAMP)


async def test_an_outcome_of_an_older_service_lacks_the_newer_fields(
    client: cohost.Client, service: FakeServices
) -> None:
    command_task = start_command(client.accept_invitation("room", "i-1", "bob"))
    command = await service.next_command()
    accepted = invitation_data("room", "i-1", "accepted")
    await service.publish_outcome(
        command.envelope.id, "room", (topics.INVITATION_EVENTS, "InvitationAccepted", accepted)
    )
    data = (await command_task).data
    assert (data.label, data.times_sent, data.resent_at, data.seen_at) == (None, 1, None, None)


async def test_an_unknown_rejection_reason_is_raised_too(
    client: cohost.Client, service: FakeServices
) -> None:
    command_task = start_command(client.leave_stage("room", "bob"))
    command = await service.next_command()
    await service.publish_outcome(command.envelope.id, "room", command_rejected(command, "on_strike"))
    with pytest.raises(cohost.Rejected, match="on_strike"):
        await command_task


async def test_broadcasts_commands_have_their_outcome_from_broadcast(
    client: cohost.Client, service: FakeServices
) -> None:
    command_task = start_command(client.mute_co_host("room", "bob", "alice", "camera", hard=True))
    command = await service.next_command()
    data = {"roomId": "room", "userId": "bob", "source": "camera", "hard": True, "by": "alice"}
    await service.publish_outcome(command.envelope.id, "room", (topics.BROADCAST_EVENTS, "CoHostMuted", data))
    assert (await command_task).data.hard


async def test_a_command_breaking_the_contract_is_not_published(
    client: cohost.Client, service: FakeServices
) -> None:
    with pytest.raises(ValidationError):
        await client.send_invitation("room", "bob", "alice", expires_in_seconds=9)
    with pytest.raises(ValidationError):
        await client.leave_stage("a room", "bob")
    for identifier in ("", "an id", "x" * 65):
        with pytest.raises(ValueError, match="invalid command id"):
            await client.leave_stage("room", "bob", command_id=identifier)
    start_command(client.leave_stage("room", "carol")).cancel()
    command_task = start_command(client.leave_stage("room", "bob"))
    assert (await service.next_command()).envelope.data == {"roomId": "room", "actorId": "bob"}
    command_task.cancel()


async def test_an_aborted_transaction_gives_no_outcome(client: cohost.Client, service: FakeServices) -> None:
    command_task = start_command(client.leave_stage("room", "bob"))
    command = await service.next_command()
    await service.producer.begin_transaction()
    await service.publish_events(command.envelope.id, "room", co_host_left("room", "nobody"))
    await service.producer.abort_transaction()
    await service.publish_outcome(command.envelope.id, "room", co_host_left("room"))
    assert (await command_task).data.user_id == "bob"


async def test_concurrent_commands_each_get_their_own_outcome(
    client: cohost.Client, service: FakeServices
) -> None:
    askings = [start_command(client.leave_stage(f"room-{number}", f"user-{number}")) for number in range(50)]
    for _ in askings:
        command = await service.next_command()
        room, user = command.envelope.data["roomId"], command.envelope.data["actorId"]
        await service.publish_outcome(command.envelope.id, room, co_host_left(room, user))
    found = [await command_task for command_task in askings]
    assert [outcome.data.user_id for outcome in found] == [f"user-{number}" for number in range(50)]


async def test_more_concurrent_commands_than_the_memory_get_outcomes(
    kafka: str, service: FakeServices
) -> None:
    count = outcomes.MAX_REMEMBERED + 500
    async with cohost.Client(kafka, prefix=service.prefix, timeout=180) as client:
        askings = [start_command(client.leave_stage("room", f"user-{number}")) for number in range(count)]
        asked = {
            command.envelope.id: command.envelope.data["actorId"]
            for command in [await service.next_command() for _ in askings]
        }
        async with service.producer.transaction():
            await asyncio.gather(
                *(
                    service.publish_events(cause, "room", co_host_left("room", user))
                    for cause, user in asked.items()
                )
            )
        found = await asyncio.gather(*askings)
    assert [outcome.data.user_id for outcome in found] == [f"user-{number}" for number in range(count)]


async def test_a_timeout_states_the_position_of_the_command(kafka: str, service: FakeServices) -> None:
    async with client_with_short_timeout(kafka, service) as client:
        with pytest.raises(cohost.OutcomeUnknown) as raised:
            await client.leave_stage("room", "bob")
    command = await service.next_command()
    assert raised.value.command_id == command.envelope.id
    assert raised.value.published is True
    assert (raised.value.partition, raised.value.offset) == (command.partition, command.offset)


def _is_own_topic(service: FakeServices, arguments: tuple[object, ...]) -> bool:
    """Return whether the arguments of `send` name one of the test's topics."""
    return str(arguments[0]).startswith(service.prefix)


async def test_an_outcome_is_returned_for_an_unconfirmed_command(
    client: cohost.Client, service: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = AIOKafkaProducer.send

    async def unconfirmed(producer: AIOKafkaProducer, *place: object, **record: object) -> object:
        sent = await send(producer, *place, **record)
        return asyncio.get_running_loop().create_future() if _is_own_topic(service, place) else sent

    with monkeypatch.context() as broken:
        broken.setattr(AIOKafkaProducer, "send", unconfirmed)
        command_task = start_command(client.leave_stage("room", "bob"))
        command = await service.next_command()
    await service.publish_outcome(command.envelope.id, "room", co_host_left("room"))
    assert (await command_task).data.user_id == "bob"


async def test_an_unopened_client_raises_an_error(kafka: str) -> None:
    client = cohost.Client(kafka)
    with pytest.raises(RuntimeError, match="async with"):
        await client.leave_stage("room", "bob")
    with pytest.raises(RuntimeError, match="async with"):
        await client.user_gone("bob")


async def test_closing_the_client_fails_pending_commands(kafka: str, service: FakeServices) -> None:
    async with cohost.Client(kafka, prefix=service.prefix, timeout=3600) as client:
        command_task = start_command(client.leave_stage("room", "bob"))
        command = await service.next_command()
    with pytest.raises(cohost.OutcomeUnknown) as raised:
        await asyncio.wait_for(command_task, WAIT_SECONDS)
    assert raised.value.command_id == command.envelope.id


async def test_a_hanging_producer_is_replaced_in_time(
    kafka: str, service: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, hung = AIOKafkaProducer.send, set[AIOKafkaProducer]()

    async def hanging(producer: AIOKafkaProducer, *place: object, **record: object) -> object:
        if _is_own_topic(service, place):
            hung.add(producer)
        if len(hung) > 1 or not _is_own_topic(service, place):
            return await send(producer, *place, **record)
        return asyncio.get_running_loop().create_future()

    async with cohost.Client(kafka, prefix=service.prefix, timeout=15) as client:
        monkeypatch.setattr(AIOKafkaProducer, "send", hanging)
        await client.set_user(UserChanged(user_id="bob", status="active"))
