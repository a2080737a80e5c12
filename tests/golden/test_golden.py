"""The golden run: what is published and remembered of a fixed log stays as it is, byte for byte."""

from collections.abc import Sequence
from itertools import groupby

import pytest

from tests.golden import log, run
from tests.golden.log import PARTITIONS, Input
from tests.golden.run import Processor

SERVICES = ("invitations", "broadcast")


@pytest.mark.parametrize("service", SERVICES)
async def test_records_and_outcomes_are_the_golden_ones(service: str, database_url: str) -> None:
    async with run.opened(service, database_url, "golden") as processor:
        for batch in batches(service):
            await processor.take(batch)
        await _compare(processor)


@pytest.mark.parametrize("service", SERVICES)
async def test_records_decided_one_by_one_are_the_golden_ones(service: str, database_url: str) -> None:
    async with run.opened(service, database_url, "golden") as processor:
        for entry in decided(service):
            await processor.take([entry])
        await _compare(processor)


@pytest.mark.parametrize("service", SERVICES)
async def test_records_decided_in_one_batch_are_the_golden_ones(service: str, database_url: str) -> None:
    async with run.opened(service, database_url, "golden") as processor:
        await processor.insert(decided(service))
        await _compare(processor)


def batches(service: str) -> list[list[Input]]:
    """Return the log as it was fetched."""
    return [list(batch) for _, batch in groupby(log.inputs(service), lambda entry: entry.batch)]


def decided(service: str) -> list[Input]:
    """Return the log in the order in which it is decided, without what was fetched again."""
    unique: dict[tuple[str, int, int], Input] = {}
    for batch in batches(service):
        for entry in run.in_order(service, batch):
            unique.setdefault((entry.topic, entry.partition, entry.offset), entry)
    return list(unique.values())


async def result(processor: Processor) -> tuple[list[str], list[str]]:
    """Return the lines of all that was published, lane by lane, and of all outcomes."""
    await processor.settled()
    published = [record for lane in range(PARTITIONS) for record in processor.published.get(lane, ())]
    outcomes = await processor.outcomes()
    return [log.published_line(record) for record in published], [log.outcome_line(row) for row in outcomes]


async def _compare(processor: Processor) -> None:
    records, outcomes = await result(processor)
    _same(records, log.read(processor.service, "records"))
    _same(outcomes, log.read(processor.service, "outcomes"))


def _same(found: Sequence[str], golden: Sequence[str]) -> None:
    """Compare line by line: pytest would take minutes to show how long lists differ."""
    for number, (one, other) in enumerate(zip(found, golden, strict=False), 1):
        assert one == other, f"line {number}"
    assert len(found) == len(golden)
