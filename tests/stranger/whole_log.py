"""Invariants of every written record, by sections 1 to 3 of the contract."""

from collections import defaultdict
from collections.abc import Awaitable, Callable

from tests.stranger.client import Stranger
from tests.stranger.log import COMMANDS, OUTPUTS, SIGNALS, Record

SERVICES = ("/cohost/invitations", "/cohost/broadcast")
DENSE = [topic for topic in OUTPUTS if topic != "badges"]


def outputs(client: Stranger, *topics: str) -> dict[tuple[str, int], list[Record]]:
    found = defaultdict(list)
    for record in client.log.records:
        if record.topic in topics:
            found[record.topic, record.partition].append(record)
    return found


async def settle(client: Stranger) -> None:
    """Wait until every written command is decided."""
    for topic in COMMANDS:
        for number in range(client.deployment.partitions):
            room = next(room for room in map(str, range(10_000)) if client.partition_for(room) == number)
            await client.settled(room, topic)


async def sequences_are_dense_from_1_on_every_partition(client: Stranger) -> None:
    await settle(client)
    for partition, records in outputs(client, *DENSE).items():
        numbers = [int(record.header["sequence"] or b"") for record in records]
        assert numbers == list(range(1, len(records) + 1)), partition


async def sequences_of_badges_grow(client: Stranger) -> None:
    for partition, records in outputs(client, "badges").items():
        numbers = [int(record.header["sequence"] or b"") for record in records]
        assert numbers == sorted(set(numbers)), partition


async def the_sequence_stands_in_the_envelope_too(client: Stranger) -> None:
    for record in client.log.records:
        if record.topic in OUTPUTS and record.value and not record.topic.endswith("dead-letters"):
            assert record.event["sequence"] == f"{int(record.header['sequence'] or b''):020d}"


async def every_command_has_one_outcome_or_a_dead_letter(client: Stranger) -> None:
    commands = [record for record in client.log.records if record.topic in COMMANDS]
    await settle(client)
    await client.log.until(
        lambda: not any(odd(client, command) for command in commands), "one outcome of every command"
    )


def odd(client: Stranger, command: Record) -> bool:
    """Return whether a command has no outcome or more than one."""
    position = f"{client.deployment.prefix}{command.topic}:{command.partition}:{command.offset}"
    if letters := client.log.letters[position]:
        return len(letters) > 1
    put = client.puts.get(position)
    if put is None and command.attribute("source") not in SERVICES:
        return False  # left by an earlier run
    found = client.log.by_cause[put.id if put is not None else command.event["id"]]
    service = command.topic.split(".")[0]
    names = [record.name for record in found if record.topic.startswith(service)]
    return not names or ("CommandRejected" in names and len(names) > 1)


async def ids_are_unique_over_everything_that_the_services_wrote(client: Stranger) -> None:
    written = [
        record.event["id"]
        for record in client.log.records
        if record.topic in OUTPUTS and record.value and not record.topic.endswith("dead-letters")
    ]
    assert len(written) == len(set(written))


async def everything_lies_in_the_partition_of_its_room(client: Stranger) -> None:
    for record in client.log.records:
        if record.topic in {"invitations.events", "broadcast.events"}:
            assert record.key == record.event["subject"].encode()
            assert record.partition == client.partition_for(record.key)
        elif record.topic == "badges":
            room = (record.key or b"").split(b"/")[0]
            assert record.partition == client.partition_for(room)


async def what_the_services_write_to_each_other_is_a_structured_event_too(client: Stranger) -> None:
    for record in client.log.records:
        if record.topic in {*COMMANDS, SIGNALS} and record.attribute("source") in SERVICES:
            assert record.header["content-type"] == b"application/cloudevents+json; charset=utf-8"
            assert (record.key or b"").decode() == record.event["subject"] == record.data["roomId"]
            assert record.partition == client.partition_for(record.key or b"")


async def no_livekit_token_is_on_a_topic(client: Stranger) -> None:
    for record in client.log.records:
        if record.topic in OUTPUTS:
            assert b"eyJhbGciOi" not in (record.value or b"")


CLAIMS: tuple[Callable[[Stranger], Awaitable[None]], ...] = (
    sequences_are_dense_from_1_on_every_partition,
    sequences_of_badges_grow,
    the_sequence_stands_in_the_envelope_too,
    every_command_has_one_outcome_or_a_dead_letter,
    ids_are_unique_over_everything_that_the_services_wrote,
    everything_lies_in_the_partition_of_its_room,
    what_the_services_write_to_each_other_is_a_structured_event_too,
    no_livekit_token_is_on_a_topic,
)
