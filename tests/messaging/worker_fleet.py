"""Worker processes, commands for them, and the audit of the resulting log."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from cohost import audit
from cohost_schemas import commands, envelope, ids, topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.types import Message
from messaging.config import Config
from tests.messaging import counter_processor

TIMEOUT_SECONDS = 120
PARTITIONS = 3


@dataclass
class WorkerProcess:
    """A worker process and the folder with its failpoint markers."""

    process: subprocess.Popen[bytes]
    markers_folder: Path

    async def wait_until_reached(self, point: str) -> None:
        """Wait until the worker has reached a failpoint."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not (self.markers_folder / point).exists():
                assert self.process.poll() in (None, -signal.SIGKILL), f"the worker exited before {point!r}"
                await asyncio.sleep(0.02)

    def release_point(self, point: str) -> None:
        """Release a worker that waits at a failpoint."""
        (self.markers_folder / f"{point}.go").touch()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker."""
        self.process.send_signal(number)

    async def wait_for_exit(self) -> int:
        """Wait until the worker exits, and return its exit status."""
        return await asyncio.wait_for(asyncio.to_thread(self.process.wait), TIMEOUT_SECONDS)


@dataclass
class WorkerFleet:
    """The workers of one test; `sent_ids` are the ids of its commands."""

    config: Config
    workers: list[WorkerProcess] = field(default_factory=list)
    sent_ids: list[str] = field(default_factory=list)

    async def create_tables(self) -> None:
        connection = await asyncpg.connect(self.config.database_url)
        await connection.execute(f'CREATE SCHEMA "{self.config.schema}"')
        await connection.execute(f'SET search_path = "{self.config.schema}"')
        await connection.execute(counter_processor.CREATE_TABLE)
        await connection.close()

    def start_worker(self, **more: Any) -> WorkerProcess:
        """Start a worker; `at` and `without` are the options of `worker_failpoints`."""
        markers = Path(tempfile.mkdtemp(prefix="marks-"))
        options = {
            "bootstrap_servers": self.config.bootstrap_servers,
            "database_url": self.config.database_url,
            "schema": self.config.schema,
            "prefix": self.config.prefix,
            "partitions": PARTITIONS,
            "session_timeout_ms": self.config.session_timeout_ms,
            "marks": str(markers),
            **more,
        }
        command = [sys.executable, "-m", "tests.messaging.worker_failpoints", json.dumps(options)]
        worker = WorkerProcess(subprocess.Popen(command), markers)
        self.workers.append(worker)
        return worker

    async def publish_commands(self, count: int) -> None:
        """Publish `count` commands over ten rooms; every fifth will be rejected."""
        rooms = [f"room-{index % 10}" for index in range(count)]
        actors = ["nobody" if index % 5 == 4 else f"user-{index}" for index in range(count)]
        batch = [
            (ids.uuid7(), commands.LeaveStage(room_id=room, actor_id=actor))
            for room, actor in zip(rooms, actors, strict=True)
        ]
        self.sent_ids += [identifier for identifier, _ in batch]
        await self.publish_batch(batch)

    async def publish_batch(self, batch: list[tuple[str, Any]]) -> None:
        """Publish commands, given as (id, data)."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.config.bootstrap_servers, enable_idempotence=True, linger_ms=5
        )
        await producer.start()
        try:
            name = topics.INVITATION_COMMANDS.full_name(self.config.prefix)
            for identifier, data in batch:
                await producer.send(
                    name,
                    command_record(identifier, data),
                    key=data.room_id.encode(),
                    partition=partition_of(data.room_id, PARTITIONS),
                )
            await producer.flush()
        finally:
            await producer.stop()

    async def wait_until_decided(self) -> None:
        """Wait until every command has its outcome in the database and the outbox is empty."""
        await self._wait_until_true(
            f'SELECT (SELECT count(*) FROM "{self.config.schema}".outcomes) >= {len(self.sent_ids)}'
            f' AND NOT EXISTS (SELECT FROM "{self.config.schema}".outbox)'
        )

    async def wait_until_published(self) -> None:
        """Wait until the outbox is empty."""
        await self._wait_until_true(f'SELECT NOT EXISTS (SELECT FROM "{self.config.schema}".outbox)')

    async def _wait_until_true(self, question: str) -> None:
        connection = await asyncpg.connect(self.config.database_url)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not await connection.fetchval(question):
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()

    async def run_audit(self) -> audit.Report:
        """Audit the whole log and return the report."""
        return await audit.audit(self.config.bootstrap_servers, self.config.prefix)

    async def kill_workers(self) -> None:
        """Kill every running worker, stopped ones too."""
        for worker in self.workers:
            if worker.process.poll() is None:
                os.kill(worker.process.pid, signal.SIGKILL)
            worker.process.wait()


def command_record(identifier: str, data: Message) -> bytes:
    """Return the CloudEvent of a command as bytes."""
    name, subject = type(data).__name__, getattr(data, "room_id", "")
    return envelope.encode_event(
        envelope.build_cloud_event(name, data, event_id=identifier, source="/tests", subject=subject)
    )
