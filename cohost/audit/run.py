"""Audit a whole log, service by service and lane by lane."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import TopicPartition

from cohost.audit.command_ledger import CommandLedger
from cohost.audit.lane import LaneAudit
from cohost.audit.log_scanner import LogScanner
from cohost.audit.report import Report, ReportBuilder
from cohost.audit.topology import SERVICES, DeployedService, LogRecord, OffsetRange
from cohost.kafka import patches
from cohost_schemas import topics

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
    # Records must be read exactly as the services read them.
    patches.apply_patches()
    report = ReportBuilder()
    async with LogScanner(bootstrap_servers, security or {}) as scanner:
        partition_count = await _count_partitions(scanner, prefix)
        offset_ranges = await _fetch_ranges(scanner, prefix, partition_count)
        for service in SERVICES:
            await _audit_service(
                scanner, DeployedService(service, prefix, partition_count), offset_ranges, report
            )
    return report.build_report()


async def _count_partitions(scanner: LogScanner, prefix: str) -> int:
    names = [topic.full_name(prefix) for topic in topics.ALL]
    counts = await scanner.partition_counts(names)
    missing = [name for name in names if name not in counts]
    if missing:
        msg = f"topics not found: {', '.join(missing)}; check the prefix {prefix!r}"
        raise UnusableTopics(msg)
    if len(set(counts.values())) != 1:
        msg = f"topics must have the same number of partitions, but have {counts}"
        raise UnusableTopics(msg)
    return counts[names[0]]


async def _fetch_ranges(scanner: LogScanner, prefix: str, partition_count: int) -> OffsetRanges:
    # The end of the chain first: then the cause of every record lies before the end of the cause's topic.
    outputs = [topic for service in reversed(SERVICES) for topic in service.output_topics]
    inputs = [topic for topic in topics.ALL if topic not in outputs]
    offset_ranges: dict[TopicPartition, OffsetRange] = {}
    for topic in (*outputs, *inputs):
        offset_ranges |= await scanner.fetch_offset_ranges(
            [TopicPartition(topic.full_name(prefix), lane) for lane in range(partition_count)]
        )
    return offset_ranges


async def _audit_service(
    scanner: LogScanner, service: DeployedService, offset_ranges: OffsetRanges, report: ReportBuilder
) -> None:
    ledger = CommandLedger(service.commands_topic, report)
    for number in range(service.partition_count):
        inputs = {name: offset_ranges[TopicPartition(name, number)] for name in service.inputs_by_name}
        outputs = {name: offset_ranges[TopicPartition(name, number)] for name in service.output_names}
        lane = LaneAudit(service, inputs | outputs, ledger, report)
        await _feed_records(scanner, lane.inputs.add_record, _by_partition(inputs, number))
        await _feed_records(scanner, lane.check_output, _by_partition(outputs, number))
        lane.report_missing_outcomes()
    ledger.report_outcomes()


def _by_partition(offset_ranges: Mapping[str, OffsetRange], number: int) -> OffsetRanges:
    return {TopicPartition(name, number): extent for name, extent in offset_ranges.items()}


async def _feed_records(
    scanner: LogScanner, check: Callable[[LogRecord], None], offset_ranges: OffsetRanges
) -> None:
    async for records in scanner.read_ranges(offset_ranges):
        for start in range(0, len(records), _YIELD_EVERY):
            for record in records[start : start + _YIELD_EVERY]:
                check(record)
            await asyncio.sleep(0)
