"""The containers of `docker-compose.yml`, under a unique project name and on free ports."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.show_client import DemoEnvironment
from stack import ports

ROOT = Path(__file__).parents[2]

_SECRETS = ("COHOST_JWT_SECRET", "POSTGRES_PASSWORD", "LIVEKIT_API_SECRET")
_UP_SECONDS = 900
_SECONDS = 180


@dataclass(frozen=True)
class ComposeProject:
    """A compose project; `settings` are the variables of its `.env`."""

    project: str
    env_file: Path
    settings: dict[str, str]

    async def run_compose(self, *words: str, seconds: float = _SECONDS) -> str:
        """Run `docker compose` and return its standard output."""
        return await run_command("docker", "compose", *self._project_options(), *words, seconds=seconds)

    async def start_containers(self, *words: str) -> None:
        """Start the containers and wait until they are healthy."""
        await self.run_compose("up", "--wait", "--quiet-pull", *words, seconds=_UP_SECONDS)

    async def wait_until_healthy(self) -> None:
        """Wait until every container is healthy: `up --wait` fails on one that is unhealthy at first."""
        async with asyncio.timeout(_SECONDS):
            while {entry["Health"] for entry in await self.list_containers()} != {"healthy"}:
                await asyncio.sleep(1)

    async def list_containers(self) -> list[dict[str, Any]]:
        """Return compose's description of each container."""
        output = await self.run_compose("ps", "--all", "--format", "json")
        return [json.loads(line) for line in output.splitlines()]

    async def published_port(self, service: str, inside: int, index: int = 1) -> int:
        """Return the host port that a container's port is published on."""
        output = await self.run_compose("port", "--index", str(index), service, str(inside))
        return int(output.rpartition(":")[2])

    async def demo_environment(self) -> DemoEnvironment:
        """Return the addresses and secrets for clients outside the containers."""
        settings = self.settings
        return DemoEnvironment(
            f"127.0.0.1:{settings['KAFKA_PORT']}",
            f"http://127.0.0.1:{await self.published_port('invitations', 8081)}",
            f"http://127.0.0.1:{await self.published_port('broadcast', 8082)}",
            f"http://127.0.0.1:{await self.published_port('gateway', 8080)}",
            settings["COHOST_JWT_SECRET"],
            f"ws://127.0.0.1:{settings['LIVEKIT_PORT']}",
            settings["LIVEKIT_API_KEY"],
            settings["LIVEKIT_API_SECRET"],
        )

    async def leftover_resources(self) -> list[str]:
        """Return the ids of the project's remaining containers, volumes, networks and images."""
        label = f"label=com.docker.compose.project={self.project}"
        kinds = (("ps", "--all"), ("volume", "ls"), ("network", "ls"), ("image", "ls"))
        found = [await run_command("docker", *words, "--quiet", "--filter", label) for words in kinds]
        return [line for output in found for line in output.splitlines()]

    def _project_options(self) -> tuple[str, ...]:
        return (
            "--project-name",
            self.project,
            "--project-directory",
            str(ROOT),
            "--env-file",
            str(self.env_file),
        )


@asynccontextmanager
async def run_compose_project(folder: Path) -> AsyncIterator[ComposeProject]:
    """Build and start the project; remove all of it afterwards."""
    names = ("KAFKA", "POSTGRES", "LIVEKIT", "LIVEKIT_TCP", "LIVEKIT_UDP")
    settings = {
        "COHOST_ENVIRONMENT": "production",
        **{f"{name}_PORT": str(ports.reserve_port()) for name in names},
        **{f"{name}_PORTS": _two_ports() for name in ("INVITATIONS", "BROADCAST", "GATEWAY")},
        "LIVEKIT_API_KEY": secrets.token_hex(6),
        **{name: secrets.token_hex(20) for name in _SECRETS},
    }
    file = folder / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    ports.unbind_udp(int(settings["LIVEKIT_UDP_PORT"]))
    project = ComposeProject(f"cohost-test-{secrets.token_hex(4)}", file, settings)
    try:
        await project.start_containers("--build")
        yield project
    finally:
        await project.run_compose(
            "down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "20"
        )
    assert await project.leftover_resources() == []


def _two_ports() -> str:
    """Return a range of two free ports, as scaling to two copies needs."""
    while True:
        first = ports.reserve_port()
        second = ports.reserve_port(first + 1)
        if second == first + 1:
            return f"{first}-{second}"


async def run_command(*words: str, seconds: float = _SECONDS) -> str:
    """Run a command and return its standard output; a failure shows its standard error."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("COHOST_")},
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, f"{' '.join(words)}: exit status {process.returncode}\n{err.decode()}"
    return out.decode()
