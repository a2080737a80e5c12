"""Reads memory, tables and lag of a running deployment from outside."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer

from bench import outcomes, worker
from bench.environment import BenchRun
from bench.soak.minutes import TableSize
from cohost_schemas import topics


def read_memory(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def read_tables(connection: asyncpg.Connection) -> Mapping[str, TableSize]:
    """Return the size of every table of the database, by schema and name."""
    rows = await connection.fetch(
        """
        SELECT schemaname || '.' || relname AS name, pg_total_relation_size(relid) AS bytes,
            n_live_tup AS live, n_dead_tup AS dead
        FROM pg_stat_user_tables ORDER BY name
        """
    )
    return {row["name"]: TableSize(row["bytes"], row["live"], row["dead"]) for row in rows}


async def read_lag(run: BenchRun, connection: asyncpg.Connection, reader: AIOKafkaConsumer) -> int:
    """Return the number of commands in the topics that are not decided."""
    ends = await reader.end_offsets(outcomes.command_partitions(run))
    decided = await worker.read_progress(connection, topics.INVITATION_COMMANDS)
    return max(0, sum(map(int, ends.values())) - decided.decided_count)
