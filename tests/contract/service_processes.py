"""The services and the gateway, started as section 8 describes: a command and an environment."""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx

from tests.contract.deployment import Deployment
from tests.contract.polling import wait_until

REPOSITORY = Path(__file__).parents[2]
SECONDS = 180.0


def free_port() -> int:
    """Return a free port below the range from which systems take those of outgoing connections."""
    while True:
        port = 12_000 + secrets.randbelow(18_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


async def start_process(service: str, variables: Mapping[str, str]) -> asyncio.subprocess.Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COHOST_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}"),
        cwd=REPOSITORY,
        env={**inherited, **variables},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


async def run_until_exit(service: str, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a service that refuses to start; return its exit status and the last line of its standard error."""
    process = await start_process(service, {"COHOST_HTTP_PORT": str(free_port()), **variables})
    try:
        _, output = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode().strip().splitlines()[-1]


@dataclass
class RunningService:
    """A running service; its log is read continuously, because a full pipe would block it."""

    url: str
    process: asyncio.subprocess.Process
    log: asyncio.Task[tuple[bytes, bytes]]

    async def is_answering(self, path: str) -> bool:
        if self.log.done():
            message = f"the service at {self.url} exited: {self.log.result()[1].decode()[-2000:]}"
            raise AssertionError(message)
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(self.url + path)).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

    async def stop_service(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await asyncio.wait([self.log])


async def run_service(service: str, variables: Mapping[str, str]) -> RunningService:
    port = free_port()
    process = await start_process(service, {**variables, "COHOST_HTTP_PORT": str(port)})
    return RunningService(f"http://127.0.0.1:{port}", process, asyncio.create_task(process.communicate()))


@asynccontextmanager
async def run_services(
    deployment: Deployment, *services: str, path: str = "/readyz", **variables: str
) -> AsyncIterator[Deployment]:
    """Run services with other settings during the block; yield their deployment once `path` answers 200."""
    output = {**deployment.variables, **variables}
    started = {service: await run_service(service, output) for service in services}
    try:
        for found in started.values():
            await wait_until(partial(found.is_answering, path), f"{found.url}{path} to answer 200", SECONDS)
        urls = {f"{service}_url": found.url for service, found in started.items()}
        partitions = int(output.get("COHOST_PARTITIONS", "12"))
        prefix = output["COHOST_TOPIC_PREFIX"]
        yield replace(deployment, prefix=prefix, partitions=partitions, variables=output, **urls)
    finally:
        await asyncio.gather(*(found.stop_service() for found in started.values()))
    assert {service: found.process.returncode for service, found in started.items()} == dict.fromkeys(
        services, 0
    )


def gateway_variables(deployment: Deployment, **variables: str) -> dict[str, str]:
    """Return the variables of a gateway to the deployment's two services."""
    urls = {
        "COHOST_INVITATIONS_URL": deployment.invitations_url,
        "COHOST_BROADCAST_URL": deployment.broadcast_url,
    }
    return {**deployment.variables, **urls, **variables}


def run_gateway(
    deployment: Deployment, path: str = "/readyz", **variables: str
) -> AbstractAsyncContextManager[Deployment]:
    """Run a gateway during the block; yield the deployment with its URL once `path` answers 200."""
    return run_services(deployment, "gateway", path=path, **gateway_variables(deployment, **variables))
