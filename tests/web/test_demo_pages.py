"""The demo's pages play a show in a browser, with picture and sound over the real LiveKit."""

import shutil

import pytest

from stack import Stack
from tests.web.built_web import WEB, build_web, run_script


async def test_host_and_guest_see_and_hear_each_other_in_a_browser(stack: Stack, prefix: str) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("NOT RUN: Chromium is not on this machine.")
    await build_web(stack)
    grace = {"COHOST_RECONNECT_GRACE_SECONDS": "30"}
    async with stack.run_services(prefix, grace, with_gateway=True) as running:
        script = WEB / "demo" / "tests" / "play-demo.mjs"
        output = await run_script(stack, running, script, COHOST_CHROMIUM=browser)
    assert "played the demo" in output
