"""Audit a whole log, service by service and lane by lane."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from cohost.audit.command_ledger import CommandLedger
from cohost.audit.lane import LaneAudit
from cohost.audit.report import Report, ReportBuilder
from cohost.audit.topology import SERVICES, DeployedService, LogRecord, OffsetRange
from cohost.kafka import log_reader
from cohost.kafka.connection import KafkaConnection, describe_topics
from cohost_schemas import topics

_OPTIONS = {
    "fetch_max_wait_ms": 20,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "fetch_max_bytes": 16 * 1024 * 1024,
}
_YIELD_EVERY = 1000
"""Number of records to check before yielding to the event loop."""


class UnusableTopics(LookupError):
    """Topics are missing, or differ in their number of partitions."""


OffsetRanges = Mapping[TopicPartition, OffsetRange]


async def audit(
    bootstrap_servers: str,
    prefix: str = topics.DEFAULT_PREFIX,
    *,
    security: Mapping[str, Any] | None = None,
) -> Report:
    """Read every topic from the beginning to the current end and report broken promises of the contract.

    `security` holds aiokafka's own arguments (`security_protocol`, `sasl_mechanism`, …). A command that a
    running service has not processed yet counts as a command without an outcome. Raises `UnusableTopics` if
    topics are missing or differ in partitions, and aiokafka's errors while Kafka is unavailable.
    """
    report = ReportBuilder()
    connection = KafkaConnection(bootstrap_servers, prefix, security or {})
    async with connection.open_consumer(**_OPTIONS) as consumer:
        partition_count = await _count_partitions(connection)
        offset_ranges = await _fetch_ranges(consumer, prefix, partition_count)
        for service in SERVICES:
            await _audit_service(
                consumer, DeployedService(service, prefix, partition_count), offset_ranges, report
            )
    return report.build_report()


async def _count_partitions(connection: KafkaConnection) -> int:
    names = list(map(connection.topic_name, topics.ALL))
    async with connection.open_admin() as admin:
        described = await describe_topics(admin, names)
    for topic in described:
        if isinstance(topic.error, TopicAuthorizationFailedError):
            raise topic.error
    counts = {topic.name: topic.partition_count for topic in described if topic.error is None}
    missing = [name for name in names if name not in counts]
    if missing:
        msg = f"topics not found: {', '.join(missing)}; check the prefix {connection.prefix!r}"
        raise UnusableTopics(msg)
    if len(set(counts.values())) != 1:
        msg = f"topics must have the same number of partitions, but have {counts}"
        raise UnusableTopics(msg)
    return counts[names[0]]


async def _fetch_ranges(consumer: AIOKafkaConsumer, prefix: str, partition_count: int) -> OffsetRanges:
    # The end of the chain first: then the cause of every record lies before the end of the cause's topic.
    outputs = [topic for service in reversed(SERVICES) for topic in service.output_topics]
    inputs = [topic for topic in topics.ALL if topic not in outputs]
    offset_ranges: dict[TopicPartition, OffsetRange] = {}
    for topic in (*outputs, *inputs):
        begins, ends = await log_reader.offset_bounds(
            consumer, [TopicPartition(topic.full_name(prefix), lane) for lane in range(partition_count)]
        )
        offset_ranges |= {partition: OffsetRange(begins[partition], end) for partition, end in ends.items()}
    return offset_ranges


async def _audit_service(
    consumer: AIOKafkaConsumer, service: DeployedService, offset_ranges: OffsetRanges, report: ReportBuilder
) -> None:
    ledger = CommandLedger(service.commands_topic, report)
    for number in range(service.partition_count):
        inputs = {name: offset_ranges[TopicPartition(name, number)] for name in service.inputs_by_name}
        outputs = {name: offset_ranges[TopicPartition(name, number)] for name in service.output_names}
        lane = LaneAudit(service, inputs | outputs, ledger, report)
        await _feed_records(consumer, lane.inputs.add_record, _by_partition(inputs, number))
        await _feed_records(consumer, lane.check_output, _by_partition(outputs, number))
        lane.report_missing_outcomes()
    ledger.report_outcomes()


def _by_partition(offset_ranges: Mapping[str, OffsetRange], number: int) -> OffsetRanges:
    return {TopicPartition(name, number): extent for name, extent in offset_ranges.items()}


async def _feed_records(
    consumer: AIOKafkaConsumer, check: Callable[[LogRecord], None], offset_ranges: OffsetRanges
) -> None:
    starts = {partition: extent.begin for partition, extent in offset_ranges.items()}
    ends = {partition: extent.end for partition, extent in offset_ranges.items()}
    async for fetched in log_reader.poll_partitions(consumer, starts, ends):
        records = [record for batch in fetched.values() for record in batch]
        for start in range(0, len(records), _YIELD_EVERY):
            for record in records[start : start + _YIELD_EVERY]:
                check(record)
            await asyncio.sleep(0)
