"""A stack that lives as long as a block: faults, shutdown, and a killed parent process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stack import Stack, StartError, services
from stack.processes import reaper
from stack.servers import postgres

SECONDS = 60
PARENT_PROGRAM = """
import asyncio, json
from pathlib import Path
from stack import Stack

async def main():
    async with Stack(components=["postgres", "livekit"]) as up:
        folders = [str(up.root), str((up.root / "postgres").resolve())]
        pids = [up.process_of(name).pid for name in ("postgres", "livekit")]
        print(json.dumps({"pids": pids, "folders": folders}), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def child_pids() -> set[int]:
    """Return the direct child processes that run, without the reaper of them all."""
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return {child.pid for child in running if reaper.__file__ not in child.cmdline()}


async def test_a_killed_parent_leaves_neither_process_nor_data_behind() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", PARENT_PROGRAM], stdout=subprocess.PIPE, cwd=services.REPOSITORY
    )
    assert starter.stdout is not None
    with starter.stdout:
        told = json.loads(await asyncio.to_thread(starter.stdout.readline))
    assert all(map(psutil.pid_exists, told["pids"]))
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    async with asyncio.timeout(SECONDS):
        while any(map(psutil.pid_exists, told["pids"])) or any(map(os.path.exists, told["folders"])):
            await asyncio.sleep(0.05)


async def test_a_component_that_cannot_start_raises_with_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = child_pids()
    monkeypatch.setitem(postgres.SERVER_SETTINGS, "max_connections", "many")
    up = Stack(components=["postgres", "livekit"])
    with pytest.raises(StartError) as caught:
        await up.__aenter__()
    assert 'invalid value for parameter "max_connections": "many"' in caught.value.log
    assert (child_pids(), up.root.exists()) == (before, False)


async def test_the_end_of_the_block_leaves_nothing_behind() -> None:
    before = child_pids()
    async with Stack(components=["postgres", "livekit"]) as up:
        home = (up.root / "postgres").resolve()
        assert home.exists()
    assert (child_pids(), up.root.exists(), home.exists()) == (before, False, False)


async def test_a_killed_kafka_restarts_with_its_port_and_data(tmp_path: Path) -> None:
    async with Stack(tmp_path / "für Käfer \\ 😀", components=["kafka"]) as up:
        await make_topic(up, "kept")
        up.process_of("kafka").kill()
        address = up.kafka_bootstrap_servers
        await up.restart("kafka")
        await make_topic(up, "new")
        assert up.kafka_bootstrap_servers == address
        async with asyncio.timeout(SECONDS):
            # A new topic does not appear in the broker's metadata at once.
            while await topics(up) != ["kept", "new"]:
                await asyncio.sleep(0.05)


async def test_kafka_refuses_a_folder_name_with_a_comma(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="comma"):
        await Stack(tmp_path / "one,two", components=["kafka"]).__aenter__()


async def test_a_killed_postgres_keeps_acknowledged_commits(tmp_path: Path) -> None:
    async with Stack(tmp_path / "a folder", components=["postgres"]) as up:
        url = await up.create_database("rooms")
        await execute_sql(url, "CREATE TABLE kept ()")
        up.process_of("postgres").kill()
        await up.restart("postgres")
        await execute_sql(url, "SELECT FROM kept")
    async with Stack(tmp_path / "a folder", components=["postgres"]) as up:
        await execute_sql(up.database_url.replace("/cohost", "/rooms"), "SELECT FROM kept")
    reaper.remove_path(tmp_path / "a folder" / "postgres")


async def test_a_paused_postgres_answers_after_resuming() -> None:
    async with Stack(components=["postgres"]) as up:
        connection = await asyncpg.connect(up.database_url)
        up.process_of("postgres").pause()
        question = asyncio.create_task(connection.fetchval("SELECT 1"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(question), 0.3)
        up.process_of("postgres").resume()
        assert await asyncio.wait_for(question, SECONDS) == 1
        await connection.close()


async def test_postgres_is_durable_and_takes_many_connections() -> None:
    async with Stack(components=["postgres"]) as up:
        connection = await asyncpg.connect(up.database_url)
        found = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "max_connections")]
        await connection.close()
        assert found == ["on", "200"]
        stranger = up.database_url.replace("postgres:", "postgres:not", 1)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(stranger)


async def execute_sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def make_topic(up: Stack, name: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=up.kafka_bootstrap_servers)
    await client.start()
    answer = await client.create_topics([NewTopic(name, 1, 1)])
    await client.close()
    assert [error[1] for error in answer.topic_errors] == [0]


async def topics(up: Stack) -> list[str]:
    client = AIOKafkaAdminClient(bootstrap_servers=up.kafka_bootstrap_servers)
    await client.start()
    try:
        return sorted(await client.list_topics())
    finally:
        await client.close()
