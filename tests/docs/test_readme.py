"""The README's FastStream consumer and its requests to the gateway run as they are written there."""

import asyncio
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cohost
from cohost import tokens
from cohost_schemas.facts import RoomChanged, UserChanged
from stack import Stack
from stack.services import REPOSITORY, RunningServices

SECONDS = 120
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _patient_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway wait longer than by default: an outcome after its answer would be missed."""
    (tmp_path / ".curlrc").write_text('header = "Prefer: wait=30"\n')
    monkeypatch.setenv("CURL_HOME", str(tmp_path))


def readme_block(pattern: re.Pattern[str], marker: str) -> str:
    """Return the README's only block of this language that has the marker."""
    blocks = pattern.findall((REPOSITORY / "README.md").read_text())
    (example,) = (block for block in blocks if marker in block)
    return str(example)


def consumer_example(prefix: str) -> str:
    """Return the README's FastStream application, for topics with this prefix."""
    example = readme_block(PYTHON_BLOCK, "KafkaBroker(")
    topic = '"cohost.invitations.events"'
    assert topic in example
    return example.replace(topic, f'"{prefix}invitations.events"')


async def take_and_leave_a_seat(kafka: str, running: RunningServices) -> None:
    async with cohost.Client(kafka, prefix=running.prefix, timeout=SECONDS) as client:
        await client.set_room(RoomChanged(room_id="room-1", host_id="alice", status="live"))
        await client.set_user(UserChanged(user_id="bob", status="active"))
        sent = await cohost.retry_until_known(
            lambda: client.send_invitation("room-1", "bob", "alice"), SECONDS
        )
        await client.accept_invitation("room-1", sent.data.invitation_id, "bob")
        await client.leave_stage("room-1", "bob")


async def read_lines(process: asyncio.subprocess.Process, last: str) -> list[str]:
    """Return what the process prints, with its log, up to the line `last`."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(SECONDS):
        while last not in lines:
            line = (await process.stdout.readline()).decode()
            assert line, f"the consumer ended: {lines}"
            lines.append(line.rstrip())
    return lines


async def test_the_readmes_faststream_consumer_prints_seats(stack: Stack, tmp_path: Path) -> None:
    prefix = f"t{secrets.token_hex(4)}."
    (tmp_path / "stage_screen.py").write_text(consumer_example(prefix))
    async with stack.run_services(prefix) as running:
        await take_and_leave_a_seat(stack.kafka_bootstrap_servers, running)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "faststream", "run", "stage_screen:app"),
            cwd=tmp_path,
            env={**os.environ, "COHOST_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers},
            stdout=subprocess.PIPE,
        )
        try:
            lines = await read_lines(process, last="bob left room-1: left")
        finally:
            process.terminate()
            await process.wait()
    seats = [line for line in lines if line.startswith("bob ")]
    assert seats == ["bob is on stage in room-1", "bob left room-1: left"]


def gateway_example() -> list[str]:
    """Return the README's requests to the gateway: the shell's functions, the facts, an app's requests."""
    return readme_block(SHELL_BLOCK, "call() {").strip().split("\n\n")


async def start_shell(running: RunningServices, *lines: str) -> asyncio.subprocess.Process:
    variables = {"COHOST_GATEWAY_URL": running.gateway_url, "COHOST_JWT_SECRET": running.jwt_secret}
    return await asyncio.create_subprocess_exec(
        *("bash", "-c", "\n".join(lines)),
        cwd=REPOSITORY,
        env={**os.environ, **variables, "no_proxy": "127.0.0.1"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


async def shell_output(running: RunningServices, *lines: str) -> str:
    """Run the lines and return what they print."""
    out, _ = await (await start_shell(running, *lines)).communicate()
    return out.decode()


async def test_the_readmes_requests_to_the_gateway_are_answered(stack: Stack) -> None:
    functions, facts, requests = gateway_example()
    sign_in, command, read, stream = requests.splitlines()
    async with (
        stack.run_services(f"t{secrets.token_hex(4)}.", with_gateway=True) as running,
        asyncio.timeout(SECONDS),
    ):
        assert (await shell_output(running, functions, facts)).count('"causationId"') == 2
        while '"outcome":"accepted"' not in (await shell_output(running, functions, sign_in, command)):
            continue  # nothing orders a command behind a fact
        assert '"status":"pending"' in await shell_output(running, functions, sign_in, read)
        following = await start_shell(running, functions, sign_in, stream)
        assert following.stdout is not None
        assert await following.stdout.readline() == b"event: ready\n"
        os.killpg(following.pid, signal.SIGTERM)
        await following.wait()


def client_example(prefix: str) -> str:
    """Return the README's first program in Python, for topics with this prefix."""
    example = readme_block(PYTHON_BLOCK, 'label="Guitar"')
    address = 'os.environ["COHOST_KAFKA_BOOTSTRAP_SERVERS"]'
    assert address in example
    return example.replace(address, f"{address}, prefix={prefix!r}")


async def test_the_readmes_first_examples_invite_a_guest_and_show_the_stage(
    stack: Stack, tmp_path: Path
) -> None:
    kafka, prefix = stack.kafka_bootstrap_servers, f"t{secrets.token_hex(4)}."
    program = tmp_path / "invite.py"
    program.write_text(client_example(prefix))
    invite, read = readme_block(SHELL_BLOCK, "$TOKEN").splitlines()
    async with (
        stack.run_services(prefix, with_gateway=True) as running,
        cohost.Client(kafka, prefix=prefix, timeout=SECONDS) as client,
        asyncio.timeout(SECONDS),
    ):
        await client.set_room(RoomChanged(room_id="friday", host_id="alice", status="live"))
        await client.set_user(UserChanged(user_id="bob", status="active"))
        sign_in = f"TOKEN={tokens.sign(running.jwt_secret, 'alice')}"
        while '"outcome":"accepted"' not in (sent := await shell_output(running, sign_in, invite)):
            continue  # nothing orders a command behind a fact
        await client.cancel_invitation("friday", json.loads(sent)["commandId"], "alice")
        environment = {**os.environ, "COHOST_KAFKA_BOOTSTRAP_SERVERS": kafka}
        process = await asyncio.create_subprocess_exec(sys.executable, str(program), env=environment)
        assert await process.wait() == 0
        while '"userId":"bob"' not in await shell_output(running, sign_in, read):
            continue  # broadcast follows invitations
