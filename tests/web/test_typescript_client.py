"""The TypeScript client as it is built plays a show on the real stack, over HTTP and streams alone."""

import asyncio
import shutil
from pathlib import Path

import pytest

from stack import Stack

REPOSITORY = Path(__file__).parents[2]
CLIENT = REPOSITORY / "web" / "client"
SECONDS = 300


async def run_command(*command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command, which must succeed, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_host_and_guest_play_a_show_with_the_built_package(stack: Stack, prefix: str) -> None:
    built = await run_command(".ci/web", "build", folder=REPOSITORY, environment=dict(stack.inherited))
    if "NOT RUN" in built or shutil.which("node") is None:
        pytest.skip(built.strip())
    async with stack.run_services(prefix, with_gateway=True) as running:
        output = await run_command(
            *("node", "tests/integration/play-show.mjs"),
            folder=CLIENT,
            environment={
                **stack.inherited,
                "COHOST_GATEWAY_URL": running.gateway_url,
                "COHOST_JWT_SECRET": running.jwt_secret,
            },
        )
    assert "interruptions of the host's stream" in output
