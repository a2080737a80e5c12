"""The TypeScript client as it is built plays a show on the real stack, over HTTP and streams alone."""

from stack import Stack
from tests.web.built_web import WEB, build_web, run_script


async def test_host_and_guest_play_a_show_with_the_built_package(stack: Stack, prefix: str) -> None:
    await build_web(stack)
    async with stack.run_services(prefix, with_gateway=True) as running:
        output = await run_script(stack, running, WEB / "client/tests/integration/play-show.mjs")
    assert "interruptions of the host's stream" in output
