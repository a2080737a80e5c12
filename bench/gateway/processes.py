"""The processes that are measured: one copy of the gateway, and the bare handler."""

import contextlib
import dataclasses
import json
import resource
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import worker
from bench.environment import BenchRun
from bench.worker import WorkerProcess
from stack import ports, services
from stack.processes import process
from stack.processes.process import Process

_NOT_FOUND = 404


@dataclass(frozen=True)
class BareProcess:
    """The running bare handler."""

    process: Process
    url: str

    async def is_ready(self) -> bool:
        """Return whether it answers."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                answer = await client.get(f"{self.url}/v1/commands/none")
        except httpx.HTTPError:
            return False
        return answer.status_code == _NOT_FOUND


@contextlib.asynccontextmanager
async def run_gateway(
    run: BenchRun, invitations_url: str, broadcast_url: str, profile: Path | None = None
) -> AsyncIterator[WorkerProcess]:
    """Run a gateway without a limit of commands, ready, for the duration of the block."""
    gateway = dataclasses.replace(run, service="gateway")
    urls = {"COHOST_INVITATIONS_URL": invitations_url, "COHOST_BROADCAST_URL": broadcast_url}
    async with worker.run_worker(gateway, profile, **urls, COHOST_COMMANDS_PER_MINUTE="0") as copy:
        await copy.wait_ready()
        yield copy


@contextlib.asynccontextmanager
async def run_bare_handler(run: BenchRun) -> AsyncIterator[BareProcess]:
    """Run the bare handler, ready, for the duration of the block."""
    port = ports.reserve_port()
    options = {
        "bootstrap_servers": run.bootstrap_servers,
        "prefix": run.prefix,
        "host": ports.ADDRESS,
        "port": port,
    }
    program = process.Program(
        name="bare handler",
        command=(sys.executable, "-m", "bench.gateway.bare_handler", json.dumps(options)),
        folder=services.REPOSITORY,
        log=run.stack.root / f"{run.prefix}bare.log",
        environment=run.stack.inherited,
    )
    bare = BareProcess(process.start_program(program), f"http://{ports.ADDRESS}:{port}")
    try:
        await bare.process.wait_until_ready(bare.is_ready)
        yield bare
    finally:
        await bare.process.stop()
        ports.release_ports(port)


def raise_descriptor_limit() -> int:
    """Let this process and those that it starts open as many descriptors as is allowed; return the number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
