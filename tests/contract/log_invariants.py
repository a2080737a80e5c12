"""Invariants of every written record, by sections 1 to 3 of the contract."""

from collections import defaultdict
from collections.abc import Awaitable, Callable

from tests.contract.contract_client import ContractClient
from tests.contract.published_schemas import published_validator
from tests.contract.topic_log import COMMANDS, OUTPUTS, SIGNALS, TopicRecord

SERVICES = ("/cohost/invitations", "/cohost/broadcast")
WRITERS = (*SERVICES, "/cohost/gateway")
DENSE_TOPICS = [topic for topic in OUTPUTS if topic != "badges"]


def records_by_partition(client: ContractClient, *topics: str) -> dict[tuple[str, int], list[TopicRecord]]:
    found = defaultdict(list)
    for record in client.log.records:
        if record.topic in topics:
            found[record.topic, record.partition].append(record)
    return found


async def wait_until_all_decided(client: ContractClient) -> None:
    """Wait until every written command is decided."""
    for topic in COMMANDS:
        for number in range(client.deployment.partitions):
            room = next(room for room in map(str, range(10_000)) if client.partition_for(room) == number)
            await client.wait_until_decided(room, topic)


async def sequences_are_dense_on_every_partition(client: ContractClient) -> None:
    await wait_until_all_decided(client)
    for partition, records in records_by_partition(client, *DENSE_TOPICS).items():
        numbers = [int(record.headers_by_name["sequence"] or b"") for record in records]
        assert numbers == list(range(1, len(records) + 1)), partition


async def badge_sequences_grow(client: ContractClient) -> None:
    for partition, records in records_by_partition(client, "badges").items():
        numbers = [int(record.headers_by_name["sequence"] or b"") for record in records]
        assert numbers == sorted(set(numbers)), partition


async def envelope_sequences_match_the_headers(client: ContractClient) -> None:
    for record in client.log.records:
        if record.topic in OUTPUTS and record.value and not record.topic.endswith("dead-letters"):
            assert record.event["sequence"] == f"{int(record.headers_by_name['sequence'] or b''):020d}"


async def every_command_has_one_outcome_or_a_dead_letter(client: ContractClient) -> None:
    commands = [record for record in client.log.records if record.topic in COMMANDS]
    await wait_until_all_decided(client)
    await client.log.wait_until(
        lambda: not any(has_wrong_outcome(client, command) for command in commands),
        "one outcome of every command",
    )


def has_wrong_outcome(client: ContractClient, command: TopicRecord) -> bool:
    """Return whether a command has no outcome or more than one."""
    position = f"{client.deployment.prefix}{command.topic}:{command.partition}:{command.offset}"
    if letters := client.log.dead_letters[position]:
        return len(letters) > 1
    put = client.written.get(position)
    if put is None and command.attribute("source") not in WRITERS:
        return False  # left by an earlier run
    found = client.log.by_cause[put.id if put is not None else command.event["id"]]
    service = command.topic.split(".")[0]
    names = [record.name for record in found if record.topic.startswith(service)]
    return not names or ("CommandRejected" in names and len(names) > 1)


async def event_ids_are_unique(client: ContractClient) -> None:
    written = [
        record.event["id"]
        for record in client.log.records
        if record.topic in OUTPUTS and record.value and not record.topic.endswith("dead-letters")
    ]
    assert len(written) == len(set(written))


async def records_are_in_their_rooms_partition(client: ContractClient) -> None:
    for record in client.log.records:
        if record.topic in {"invitations.events", "broadcast.events"}:
            assert record.key == record.event["subject"].encode()
            assert record.partition == client.partition_for(record.key)
        elif record.topic == "badges":
            room = (record.key or b"").split(b"/")[0]
            assert record.partition == client.partition_for(room)


async def service_commands_and_signals_are_structured_events(client: ContractClient) -> None:
    for record in client.log.records:
        if record.topic in {*COMMANDS, SIGNALS} and record.attribute("source") in WRITERS:
            assert record.headers_by_name["content-type"] == b"application/cloudevents+json; charset=utf-8"
            assert (record.key or b"").decode() == record.event["subject"] == record.data["roomId"]
            assert record.partition == client.partition_for(record.key or b"")


async def service_records_are_valid_by_the_published_schemas(client: ContractClient) -> None:
    for record in client.log.records:
        is_event = record.topic in OUTPUTS and record.value and not record.topic.endswith("dead-letters")
        if is_event or (record.topic in COMMANDS and record.attribute("source") in WRITERS):
            published_validator(record.name).validate(record.event)


async def no_livekit_token_is_on_a_topic(client: ContractClient) -> None:
    for record in client.log.records:
        if record.topic in OUTPUTS:
            assert b"eyJhbGciOi" not in (record.value or b"")


INVARIANTS: tuple[Callable[[ContractClient], Awaitable[None]], ...] = (
    sequences_are_dense_on_every_partition,
    badge_sequences_grow,
    envelope_sequences_match_the_headers,
    every_command_has_one_outcome_or_a_dead_letter,
    event_ids_are_unique,
    records_are_in_their_rooms_partition,
    service_commands_and_signals_are_structured_events,
    service_records_are_valid_by_the_published_schemas,
    no_livekit_token_is_on_a_topic,
)
