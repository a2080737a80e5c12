"""`python -m tests.web.screenshots`: draw the pages for browsers into `docs/images/`, while a show is on."""

import asyncio
import secrets
import shutil
import sys
from pathlib import Path

from aiokafka import AIOKafkaProducer

from cohost.kafka import patches
from cohost_schemas import topics
from stack import Stack, settings
from stack.services import REPOSITORY, RunningServices
from tests.web.built_web import WEB, build_web, run_command

IMAGES = REPOSITORY / "docs" / "images"
MAX_BYTES = 2_000_000


async def draw_pages(folder: Path, browser: str) -> int:
    """Play a show on servers of its own, and return how many bytes its pictures have."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with Stack() as stack:
        await build_web(stack)
        async with stack.run_services(f"s{secrets.token_hex(4)}.", with_gateway=True) as running:
            await send_dead_letter(stack, running)
            variables = {"COHOST_GATEWAY_URL": running.gateway_url, "COHOST_CHROMIUM": browser}
            command = ("node", "draw-pages.mjs", str(folder))
            tests = WEB / "demo" / "tests"
            environment = {**stack.inherited, **variables}
            sys.stdout.write(await run_command(*command, folder=tests, environment=environment))
    return sum(path.stat().st_size for path in folder.glob("*.png"))


async def send_dead_letter(stack: Stack, running: RunningServices) -> None:
    """Write a record that is no command, for the console to show."""
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers) as producer:
        topic = topics.INVITATION_COMMANDS.full_name(running.prefix)
        await producer.send_and_wait(topic, b'{"specversion": "1.0", "type": "Invite"}', key=b"friday-night")


def main() -> int:
    """Draw the pages and return the exit status; 1 also where the pictures are too large for a repository."""
    browser = shutil.which("chromium")
    if browser is None:
        sys.stderr.write("Chromium is not on this machine.\n")
        return 1
    patches.apply_patches()
    settings.bypass_proxies("http://127.0.0.1")
    size = asyncio.run(draw_pages(IMAGES, browser))
    sys.stdout.write(f"{size} bytes in {IMAGES}\n")
    return int(size > MAX_BYTES)


if __name__ == "__main__":
    sys.exit(main())
