"""The console's pages about a room show in a browser what the API answers, while a show is played."""

import shutil

import pytest

from stack import Stack
from tests.web.built_web import WEB, build_web, run_script


async def test_console_shows_a_room_and_its_invitations(stack: Stack, prefix: str) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("NOT RUN: Chromium is not on this machine.")
    await build_web(stack)
    grace = {"COHOST_RECONNECT_GRACE_SECONDS": "30"}
    async with stack.run_services(prefix, grace, with_gateway=True) as running:
        script = WEB / "console" / "tests" / "browser" / "play-room.mjs"
        output = await run_script(stack, running, script, COHOST_CHROMIUM=browser)
    assert "played a room" in output
