"""The services as FastStream applications: `faststream run` and `faststream docs gen`."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from faststream.kafka import KafkaBroker

import cohost
from cohost_schemas.export import catalog
from cohost_schemas.facts import RoomChanged
from cohost_schemas.topics import Topic
from services.broadcast import app as broadcast_app
from services.broadcast.topology import TOPOLOGY as BROADCAST
from services.invitations import app as invitations_app
from services.invitations.topology import TOPOLOGY as INVITATIONS
from stack import Stack

SECONDS = 180
FASTSTREAM = Path(sys.executable).with_name("faststream")
UNREACHABLE = {
    "COHOST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "COHOST_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "COHOST_JWT_SECRET": "a secret of the tests, long enough for PyJWT",
    "COHOST_TOPIC_PREFIX": "stage.",
    "COHOST_LIVEKIT_URL": "ws://127.0.0.1:1",
    "COHOST_LIVEKIT_API_KEY": "key",
    "COHOST_LIVEKIT_API_SECRET": "a secret of LiveKit, long enough for production",
}
APPLICATIONS = {"invitations": invitations_app.create, "broadcast": broadcast_app.create}
TOPOLOGIES = {"invitations": INVITATIONS, "broadcast": BROADCAST}


@dataclass
class RunningApplication:
    """An application that FastStream's command runs."""

    url: str
    process: asyncio.subprocess.Process

    async def wait_for_answer(self, path: str, status: int) -> Any:
        """Wait until a path answers with a status, and return the JSON body."""
        async with asyncio.timeout(SECONDS), httpx.AsyncClient() as client:
            while True:
                assert self.process.returncode is None
                with contextlib.suppress(httpx.TransportError):
                    answer = await client.get(self.url + path)
                    if answer.status_code == status:
                        return answer.json()
                await asyncio.sleep(0.05)

    async def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()


async def run_faststream(*arguments: str, variables: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start FastStream's command with these variables and no others of the services."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COHOST_")}
    return await asyncio.create_subprocess_exec(
        FASTSTREAM, *arguments, "--factory", env={**inherited, **variables}, stdout=asyncio.subprocess.DEVNULL
    )


@contextlib.asynccontextmanager
async def running_application(
    service: str, variables: Mapping[str, str]
) -> AsyncIterator[RunningApplication]:
    """Run an application by `faststream run` during the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await run_faststream(
        "run", f"services.{service}.app:create", variables={**variables, "COHOST_HTTP_PORT": str(port)}
    )
    try:
        yield RunningApplication(f"http://127.0.0.1:{port}", process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("service", ["invitations", "broadcast"])
async def test_faststream_generates_the_document_that_the_service_serves(
    service: str, tmp_path: Path
) -> None:
    written = tmp_path / "asyncapi.json"
    arguments = ("docs", "gen", f"services.{service}.app:create", "--out", str(written))
    generating = await run_faststream(*arguments, variables=UNREACHABLE)
    assert await generating.wait() == 0
    async with running_application(service, UNREACHABLE) as running:
        assert json.loads(written.read_text()) == await running.wait_for_answer("/asyncapi.json", 200)


@pytest.mark.parametrize("service", ["invitations", "broadcast"])
async def test_an_application_without_servers_waits_and_stops_cleanly(service: str) -> None:
    async with running_application(service, UNREACHABLE) as running:
        body = await running.wait_for_answer("/readyz", 503)
        assert (body["parts"]["lanes"], body["parts"]["kafka"]) == (False, False)
        assert await running.stop() == 0


async def test_an_application_with_a_wrong_setting_exits_with_status_2() -> None:
    variables = {**UNREACHABLE, "COHOST_HTTP_HOST": "192.0.2.1"}
    async with running_application("invitations", variables) as running, asyncio.timeout(SECONDS):
        assert await running.process.wait() == 2


@pytest.mark.parametrize("service", ["invitations", "broadcast"])
def test_the_broker_declares_the_topics_that_the_service_reads_and_writes(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in UNREACHABLE.items():
        monkeypatch.setenv(name, value)
    broker, topology = APPLICATIONS[service]().broker, TOPOLOGIES[service]
    assert isinstance(broker, KafkaBroker)
    (subscriber,) = broker.subscribers
    inputs = [entry.topic for entry in topology.inputs]
    assert sorted(subscriber.topic_names) == full_names(inputs)
    outputs = [*topology.outputs, *catalog.EFFECT_OUTPUTS[service]]
    assert sorted(publisher.topic for publisher in broker.publishers) == full_names(outputs)


def full_names(wanted: list[Topic]) -> list[str]:
    return sorted(topic.full_name(UNREACHABLE["COHOST_TOPIC_PREFIX"]) for topic in wanted)


async def test_faststream_runs_the_service_and_releases_its_lanes_on_sigterm(
    stack: Stack, database_url: str, prefix: str
) -> None:
    variables = {
        **UNREACHABLE,
        "COHOST_DATABASE_URL": database_url,
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "COHOST_TOPIC_PREFIX": prefix,
        "COHOST_PARTITIONS": "3",
        "COHOST_UNKNOWN_USERS": "accept",
    }
    async with running_application("invitations", variables) as running:
        await running.wait_for_answer("/readyz", 200)
        async with cohost.Client(stack.kafka_bootstrap_servers, prefix=prefix, timeout=30) as client:
            await client.set_room(RoomChanged(room_id="room", host_id="alice", status="live"))
            inviting = partial(client.send_invitation, "room", "bob", "alice")
            sent = await cohost.retry_until_known(inviting, SECONDS)
        assert sent.data.user_id == "bob"
        assert await running.stop() == 0
    connection = await asyncpg.connect(database_url)
    lanes = await connection.fetch("SELECT DISTINCT released, unfenced_owners FROM invitations.lanes")
    await connection.close()
    assert [tuple(lane) for lane in lanes] == [(True, [])]
