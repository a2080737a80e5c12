"""The service in a memory limit, with batches in its topics that unpack to more than that."""

import asyncio
import contextlib
import os
import resource
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest

import cohost
from cohost import audit
from cohost_schemas import topics
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.partitions import partition_of
from stack import Stack, ports
from tests.crafted_batches import MEBIBYTE, send_batches, zstd_of_one_record

SECONDS = 180
PARTITIONS = 3
LANE = 0
LIMIT_BYTES = 1000 * MEBIBYTE
UNPACKED_BYTES = 1500 * MEBIBYTE
REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this limit")


@contextlib.asynccontextmanager
async def run_limited(variables: Mapping[str, str]) -> AsyncIterator[int]:
    """Run the service with an address space of `LIMIT_BYTES` until it is ready and then during the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.invitations"),
        cwd=REPOSITORY,
        env={**{name: value for name, value in os.environ.items() if "COHOST" not in name}, **variables},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES)),
    )
    try:
        async with asyncio.timeout(SECONDS), httpx.AsyncClient() as http:
            while not await is_ready(http, variables["COHOST_HTTP_PORT"]):
                assert process.returncode is None
                await asyncio.sleep(0.1)
        yield process.pid
        assert process.returncode is None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def is_ready(http: httpx.AsyncClient, port: str) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process ever had."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    )
    return int(lines["VmHWM"].split()[0]) * 1024


async def send_oversized(kafka: str, prefix: str, count: int) -> None:
    """Write `count` batches to a lane's partition of each of the service's inputs."""
    batch = zstd_of_one_record(UNPACKED_BYTES)
    assert len(batch) < 50_000
    for topic in (topics.ROOMS, topics.USERS, topics.INVITATION_COMMANDS):
        await send_batches(kafka, topic.full_name(prefix), LANE, [batch] * count)


async def invite_on_every_lane(client: cohost.Client, name: str) -> None:
    rooms = {partition_of(f"{name}-{number}", PARTITIONS): f"{name}-{number}" for number in range(20)}
    assert len(rooms) == PARTITIONS
    await client.set_user(UserChanged(user_id="bob", status="active"))
    for room in rooms.values():
        await client.set_room(RoomChanged(room_id=room, host_id="alice", status="live"))
        sent = await cohost.retry_until_known(
            lambda room=room: client.send_invitation(room, "bob", "alice"), SECONDS
        )
        assert sent.data.user_id == "bob"


async def test_ten_oversized_batches_in_a_row_stop_no_lane_of_a_small_worker(stack: Stack) -> None:
    prefix, kafka = f"t{secrets.token_hex(4)}.", stack.kafka_bootstrap_servers
    variables = {
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "COHOST_DATABASE_URL": await stack.create_database(f"memory_{secrets.token_hex(6)}"),
        "COHOST_TOPIC_PREFIX": prefix,
        "COHOST_PARTITIONS": str(PARTITIONS),
        "COHOST_JWT_SECRET": secrets.token_hex(32),
        "COHOST_HTTP_PORT": str(ports.reserve_port()),
    }
    async with run_limited(variables) as pid:
        await send_oversized(kafka, prefix, 10)
        async with cohost.Client(kafka, prefix=prefix, timeout=SECONDS) as client:
            await invite_on_every_lane(client, "first")
        assert peak_bytes(pid) < LIMIT_BYTES / 2
    # The next owner begins with what the last one left.
    await send_oversized(kafka, prefix, 3)
    async with run_limited(variables) as pid:
        async with cohost.Client(kafka, prefix=prefix, timeout=SECONDS) as client:
            await invite_on_every_lane(client, "second")
        assert peak_bytes(pid) < LIMIT_BYTES / 2
    report = await audit.audit(kafka, prefix)
    assert report.violations == []
    assert report.dead_letters == 3 * 13
