"""Outcomes of commands, read from the topics like any subscriber does."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic_core import from_json

from bench import table
from bench.place import Run
from bench.room import ACCEPTED, Command
from cohost.kafka import log_reader
from cohost_schemas import topics
from cohost_schemas.topics import DEFAULT_PARTITIONS, Topic

_OUTPUTS = (topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS)


def consumer(run: Run) -> AIOKafkaConsumer:
    """Return a read_committed consumer without a group."""
    return AIOKafkaConsumer(
        bootstrap_servers=run.kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )


def places(run: Run, of: Sequence[Topic] = _OUTPUTS) -> list[TopicPartition]:
    """Return every partition of the topics, by default of those with outcomes."""
    return [
        TopicPartition(topic.full_name(run.prefix), number)
        for topic in of
        for number in range(DEFAULT_PARTITIONS)
    ]


def command_places(run: Run) -> list[TopicPartition]:
    """Return every partition of the command topic."""
    return places(run, (topics.INVITATION_COMMANDS,))


def outcome(record: ConsumerRecord) -> tuple[str, str]:
    """Return the id of the command that a record answers, and `accepted` or the rejection reason."""
    event: Mapping[str, Any] = from_json(record.value)
    return event["causationid"], event["data"].get("reason", ACCEPTED) if _refuses(event) else ACCEPTED


async def read(run: Run) -> dict[str, str]:
    """Return every outcome published so far, by command id."""
    found: dict[str, str] = {}
    async for record in records(run):
        command_id, answer = outcome(record)
        found[command_id] = answer
    return found


async def records(run: Run, of: Sequence[Topic] = _OUTPUTS) -> AsyncIterator[ConsumerRecord]:
    """Yield every record that the topics contain now, by default of those with outcomes."""
    async with run.config().kafka.open_consumer() as reader:
        begins, ends = await log_reader.offset_bounds(reader, places(run, of))
        async for fetched in log_reader.poll_partitions(reader, begins, ends):
            for found in fetched.values():
                for record in found:
                    yield record


def unexpected(commands: Iterable[Command], found: Mapping[str, str]) -> list[str]:
    """Return a line for each command with an outcome other than the expected one."""
    return [
        f"{command.name} {command.id}: {found.get(command.id, 'no outcome')}, not {command.expected}"
        for command in commands
        if found.get(command.id) != command.expected
    ]


def accepted(commands: Sequence[Command], found: Mapping[str, str]) -> float:
    """Return the share of accepted commands, from 0 to 1."""
    return sum(found.get(command.id) == ACCEPTED for command in commands) / len(commands)


def mix(commands: Iterable[Command], found: Mapping[str, str]) -> str:
    """Return the number and share of commands by type and outcome, as a table."""
    counts = Counter((command.name, found.get(command.id, "no outcome")) for command in commands)
    total = sum(counts.values())
    accepted = sum(number for (_, answer), number in counts.items() if answer == ACCEPTED)
    rows = [
        [f"{name} {answer}", f"{number}", f"{number / total:.1%}"]
        for (name, answer), number in sorted(counts.items())
    ]
    rows.append(["all accepted", str(accepted), f"{accepted / total:.1%}"])
    return table.show(["command and outcome", "number", "share"], rows)


def _refuses(event: Mapping[str, Any]) -> bool:
    return bool(event["type"] == "cohost.CommandRejected.v1")
