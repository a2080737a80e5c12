"""The demo's pages in a browser, with picture and sound over the real LiveKit."""

import secrets
import shutil
from collections.abc import AsyncIterator

import pytest

from stack import Stack
from stack.services import RunningServices
from tests.web.built_web import WEB, build_web, run_script

SCRIPTS = WEB / "demo" / "tests"


@pytest.fixture(scope="module")
def chromium() -> str:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("NOT RUN: Chromium is not on this machine.")
    return browser


@pytest.fixture(scope="module")
async def running(stack: Stack, chromium: str) -> AsyncIterator[RunningServices]:
    """The services and a gateway that has the pages."""
    assert chromium
    await build_web(stack)
    grace = {"COHOST_RECONNECT_GRACE_SECONDS": "30"}
    async with stack.run_services(f"t{secrets.token_hex(4)}.", grace, with_gateway=True) as services:
        yield services


async def test_host_and_guest_see_and_hear_each_other_in_a_browser(
    stack: Stack, running: RunningServices, chromium: str
) -> None:
    output = await run_script(stack, running, SCRIPTS / "play-demo.mjs", COHOST_CHROMIUM=chromium)
    assert "played the demo" in output


async def test_every_page_is_for_everybody(stack: Stack, running: RunningServices, chromium: str) -> None:
    output = await run_script(stack, running, SCRIPTS / "check-pages.mjs", COHOST_CHROMIUM=chromium)
    assert "checked the pages" in output
