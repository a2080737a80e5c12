"""What is in `web/`, built, and its scripts run with Node.js."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from stack import Stack
from stack.services import RunningServices

WEB = Path(__file__).parents[2] / "web"
SECONDS = 300


async def build_web(stack: Stack) -> None:
    """Build the packages; skip the test where Node.js is missing."""
    printed = await run_command(".ci/web", "build", folder=WEB.parent, environment=stack.inherited)
    if "NOT RUN" in printed:
        pytest.skip(printed.strip())


async def run_script(stack: Stack, running: RunningServices, script: Path, **variables: str) -> str:
    """Run a script against a gateway; it must succeed."""
    environment = {
        **stack.inherited,
        "COHOST_GATEWAY_URL": running.gateway_url,
        "COHOST_JWT_SECRET": running.jwt_secret,
        **variables,
    }
    return await run_command("node", os.fspath(script), folder=script.parent, environment=environment)


async def run_command(*command: str, folder: Path, environment: Mapping[str, str]) -> str:
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
