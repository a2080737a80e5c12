"""Audit a whole log, service by service and lane by lane."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import TopicPartition

from cohost.audit.findings import Findings, Report
from cohost.audit.lane import Lane
from cohost.audit.layout import SERVICES, Deployment, Extent, Record
from cohost.audit.ledger import Ledger
from cohost.audit.log import Log
from schemas import topics

_BREATH = 1000
"""Number of records to check before yielding to the event loop."""


class NotALog(LookupError):
    """Topics are missing, or differ in their number of partitions."""


Extents = Mapping[TopicPartition, Extent]


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
    findings = Findings()
    async with Log(bootstrap_servers, security or {}) as log:
        count = await _count(log, prefix)
        extents = await _extents(log, prefix, count)
        for service in SERVICES:
            await _service(log, Deployment(service, prefix, count), extents, findings)
    return findings.report()


async def _count(log: Log, prefix: str) -> int:
    names = [topic.name(prefix) for topic in topics.ALL]
    counts = await log.partitions(names)
    missing = [name for name in names if name not in counts]
    if missing:
        msg = f"topics not found: {', '.join(missing)}; check the prefix {prefix!r}"
        raise NotALog(msg)
    if len(set(counts.values())) != 1:
        msg = f"topics must have the same number of partitions, but have {counts}"
        raise NotALog(msg)
    return counts[names[0]]


async def _extents(log: Log, prefix: str, count: int) -> Extents:
    # The end of the chain first: then the cause of every record lies before the end of the cause's topic.
    outputs = [topic for service in reversed(SERVICES) for topic in service.outputs]
    inputs = [topic for topic in topics.ALL if topic not in outputs]
    found: dict[TopicPartition, Extent] = {}
    for topic in (*outputs, *inputs):
        found |= await log.extents([TopicPartition(topic.name(prefix), lane) for lane in range(count)])
    return found


async def _service(log: Log, deployment: Deployment, extents: Extents, findings: Findings) -> None:
    ledger = Ledger(deployment.commands, findings)
    for number in range(deployment.partitions):
        inputs = {name: extents[TopicPartition(name, number)] for name in deployment.inputs}
        outputs = {name: extents[TopicPartition(name, number)] for name in deployment.outputs}
        lane = Lane(deployment, inputs | outputs, ledger, findings)
        await _feed(log, lane.causes.take, _places(inputs, number))
        await _feed(log, lane.check, _places(outputs, number))
        lane.close()
    ledger.close()


def _places(extents: Mapping[str, Extent], number: int) -> Extents:
    return {TopicPartition(name, number): extent for name, extent in extents.items()}


async def _feed(log: Log, check: Callable[[Record], None], extents: Extents) -> None:
    async for records in log.read(extents):
        for start in range(0, len(records), _BREATH):
            for record in records[start : start + _BREATH]:
                check(record)
            await asyncio.sleep(0)
