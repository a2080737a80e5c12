"""The console's pages in a browser show what the API answers, while rooms are played on the real stack."""

import json
import shutil
import uuid

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from cohost import tokens
from stack import Stack
from stack.services import RunningServices
from tests.contract.polling import wait_until
from tests.web.built_web import WEB, build_web, run_script


async def test_console_shows_the_truth_and_redrives_a_dead_letter(stack: Stack, prefix: str) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("NOT RUN: Chromium is not on this machine.")
    await build_web(stack)
    room_id = f"room-{uuid.uuid4()}"
    unlimited = {"COHOST_COMMANDS_PER_MINUTE": "0"}
    async with stack.run_services(prefix, unlimited, with_gateway=True) as running:
        await wait_until(lambda: is_counting(running), "the gateway to count")
        await send_command_without_type(stack, prefix, room_id)
        script = WEB / "console" / "tests" / "browser" / "play-console.mjs"
        variables = {"COHOST_CHROMIUM": browser, "COHOST_BROKEN_ROOM": room_id}
        output = await run_script(stack, running, script, **variables)
    assert "played the console" in output


async def is_counting(running: RunningServices) -> bool:
    """Return whether the gateway counts dead letters already: those from before are not in its activity."""
    headers = {"Authorization": f"Bearer {tokens.sign(running.jwt_secret, 'olga', ops=True)}"}
    async with httpx.AsyncClient(base_url=running.gateway_url, headers=headers) as gateway:
        answer = await gateway.get("/v1/ops/activity")
        return answer.json()["since"] is not None


async def send_command_without_type(stack: Stack, prefix: str, room_id: str) -> None:
    """Write a record that becomes a dead letter: it lacks what every CloudEvent has."""
    event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "/tests", "subject": room_id}
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers) as producer:
        value = json.dumps(event).encode()
        await producer.send_and_wait(f"{prefix}invitations.commands", value, key=room_id.encode())
