"""Outcomes of commands, read from the topics like any subscriber does."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic_core import from_json

from bench import tables
from bench.environment import BenchRun
from bench.workload.simulated_room import ACCEPTED, PlannedCommand
from cohost.kafka import log_reader
from cohost_schemas import topics
from cohost_schemas.topics import DEFAULT_PARTITIONS, Topic

_OUTPUTS = (topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS)
_COMMAND_ID = b'"causationid":"'


def open_consumer(run: BenchRun) -> AIOKafkaConsumer:
    """Return a read_committed consumer without a group."""
    return AIOKafkaConsumer(
        bootstrap_servers=run.bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )


def topic_partitions(run: BenchRun, sources: Sequence[Topic] = _OUTPUTS) -> list[TopicPartition]:
    """Return every partition of the topics, by default of those with outcomes."""
    return [
        TopicPartition(topic.full_name(run.prefix), number)
        for topic in sources
        for number in range(DEFAULT_PARTITIONS)
    ]


def command_partitions(run: BenchRun) -> list[TopicPartition]:
    """Return every partition of the command topic."""
    return topic_partitions(run, (topics.INVITATION_COMMANDS,))


def parse_outcome(record: ConsumerRecord) -> tuple[str, str]:
    """Return the id of the command that a record answers, and `accepted` or the rejection reason."""
    event: Mapping[str, Any] = from_json(record.value)
    return event["causationid"], event["data"].get("reason", ACCEPTED) if _is_rejection(event) else ACCEPTED


def find_command_id(value: bytes) -> str:
    """Return the id of the command that an outcome answers, in a tenth of the time that parsing takes."""
    _, found, rest = value.partition(_COMMAND_ID)
    return rest[: rest.index(b'"')].decode() if found else str(from_json(value)["causationid"])


async def read_outcomes(run: BenchRun) -> dict[str, str]:
    """Return every outcome published so far, by command id."""
    found: dict[str, str] = {}
    async for record in read_records(run):
        command_id, answer = parse_outcome(record)
        found[command_id] = answer
    return found


async def read_records(run: BenchRun, of: Sequence[Topic] = _OUTPUTS) -> AsyncIterator[ConsumerRecord]:
    """Yield every record that the topics contain now, by default of those with outcomes."""
    async with run.pipeline_config().kafka.open_consumer() as reader:
        begins, ends = await log_reader.offset_bounds(reader, topic_partitions(run, of))
        async for fetched in log_reader.poll_partitions(reader, begins, ends):
            for found in fetched.values():
                for record in found:
                    yield record


def find_unexpected(commands: Iterable[PlannedCommand], found: Mapping[str, str]) -> list[str]:
    """Return a line for each command with an outcome other than the expected one."""
    return [
        f"{command.name} {command.id}: {found.get(command.id, 'no outcome')}, not {command.expected}"
        for command in commands
        if found.get(command.id) != command.expected
    ]


def accepted_share(commands: Sequence[PlannedCommand], found: Mapping[str, str]) -> float:
    """Return the share of accepted commands, from 0 to 1."""
    return sum(found.get(command.id) == ACCEPTED for command in commands) / len(commands)


def format_mix(commands: Iterable[PlannedCommand], found: Mapping[str, str]) -> str:
    """Return the number and share of commands by type and outcome, as a table."""
    counts = Counter((command.name, found.get(command.id, "no outcome")) for command in commands)
    total = sum(counts.values())
    accepted = sum(number for (_, answer), number in counts.items() if answer == ACCEPTED)
    rows = [
        [f"{name} {answer}", f"{number}", f"{number / total:.1%}"]
        for (name, answer), number in sorted(counts.items())
    ]
    rows.append(["all accepted", str(accepted), f"{accepted / total:.1%}"])
    return tables.format_table(["command and outcome", "number", "share"], rows)


def _is_rejection(event: Mapping[str, Any]) -> bool:
    return bool(event["type"] == "cohost.CommandRejected.v1")
