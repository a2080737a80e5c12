"""A real service goes on while clients of its HTTP port hold more connections than it has descriptors."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

import cohost
from cohost_schemas.facts import RoomChanged
from stack import Stack
from stack.ports import reserve_port

SECONDS = 180
DESCRIPTORS = 256
SILENT = 300
# Longer than a connection may be silent, so that the service closes some, and others take their places.
HELD_SECONDS = 12
LIMITED = ("sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh")


@contextlib.asynccontextmanager
async def limited_service(variables: dict[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run invitations with few descriptors during the block."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *LIMITED,
            sys.executable,
            "-m",
            "services.invitations",
            env=variables,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def hold_connection(port: int) -> None:
    """Hold a silent connection, and open another one each time that it is closed."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while await reader.read(1000):
                pass
            writer.close()
        await asyncio.sleep(1)


async def readiness(client: httpx.AsyncClient, url: str) -> int:
    """Return the status of `/readyz`; the client opens a new connection for each request."""
    return (await client.get(f"{url}/readyz", headers={"Connection": "close"})).status_code


async def wait_until_ready(
    client: httpx.AsyncClient, url: str, process: asyncio.subprocess.Process, log: Path
) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            assert process.returncode is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                if await readiness(client, url) == 200:
                    return
            await asyncio.sleep(0.05)


async def statuses_under_silent_connections(
    stack: Stack, prefix: str, web: httpx.AsyncClient, url: str, port: int
) -> list[int]:
    """Send commands and ask for readiness while silent connections are held; return the statuses."""
    statuses: list[int] = []
    async with cohost.Client(stack.kafka_bootstrap_servers, prefix=prefix, timeout=SECONDS) as client:
        await client.set_room(RoomChanged(room_id="room", host_id="alice", status="live"))
        await cohost.retry_until_known(lambda: client.send_invitation("room", "first", "alice"), SECONDS)
        holders = [asyncio.create_task(hold_connection(port)) for _ in range(SILENT)]
        began = time.monotonic()
        while time.monotonic() < began + HELD_SECONDS:
            sent = await client.send_invitation("room", f"user-{len(statuses)}", "alice")
            await client.cancel_invitation("room", sent.command_id, "alice")
            statuses.append(await readiness(web, url))
        for holder in holders:
            holder.cancel()
        await asyncio.wait(holders)
    return statuses


async def test_silent_connections_stop_neither_outcomes_nor_readiness(
    stack: Stack, database_url: str, prefix: str, tmp_path: Path
) -> None:
    port = reserve_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    variables = {
        **stack.inherited,
        "COHOST_DATABASE_URL": database_url,
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "COHOST_TOPIC_PREFIX": prefix,
        "COHOST_PARTITIONS": "3",
        "COHOST_UNKNOWN_USERS": "accept",
        "COHOST_JWT_SECRET": "a secret of the tests, long enough for PyJWT",
        "COHOST_HTTP_PORT": str(port),
    }
    async with (
        limited_service(variables, log) as process,
        httpx.AsyncClient(timeout=SECONDS) as web,
    ):
        await wait_until_ready(web, url, process, log)
        statuses = await statuses_under_silent_connections(stack, prefix, web, url, port)
        await wait_until_ready(web, url, process, log)
        process.terminate()
        async with asyncio.timeout(SECONDS):
            assert await process.wait() == 0
    assert set(statuses) <= {200, 503}
    assert len(log.read_bytes()) < 20_000
