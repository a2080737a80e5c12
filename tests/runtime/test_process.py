"""Start and end of a service process, seen from outside."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from services.runtime import process
from stack import Stack
from stack.ports import reserve_port
from tests.runtime import example_service
from tests.runtime.key_server import SigningKey, running_key_server

SECONDS = 180


class ServiceChild:
    """A service process, with its log lines so far."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.lines: list[dict[str, Any]] = []

    async def wait_for_log(self, event: str) -> dict[str, Any]:
        """Wait until the process logs the event, and return the line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            while True:
                line = json.loads(await self.process.stdout.readline())
                self.lines.append(line)
                if line["event"] == event:
                    return line

    async def wait_for_exit(self) -> tuple[int | None, list[str], str]:
        """Wait for the exit; return the status, the events logged since, and the standard error."""
        async with asyncio.timeout(SECONDS):
            out, err = await self.process.communicate()
        rest = [json.loads(line) for line in out.splitlines()]
        self.lines += rest
        return self.process.returncode, [line["event"] for line in rest], err.decode()


Start = Callable[..., Coroutine[Any, Any, ServiceChild]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    children: list[ServiceChild] = []

    async def start(what: str, **variables: str) -> ServiceChild:
        port = int(variables.get("COHOST_HTTP_PORT", reserve_port()))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COHOST_")},
            "COHOST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "COHOST_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "COHOST_JWT_SECRET": example_service.SECRET,
            "COHOST_HTTP_PORT": str(port),
            **variables,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.runtime.scripted_service",
            what,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        children.append(ServiceChild(process, port))
        return children[-1]

    yield start
    for child in children:
        if child.process.returncode is None:
            child.process.kill()
            await child.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_stops_cleanly_on_a_signal(start: Start, number: signal.Signals) -> None:
    child = await start("works")
    await child.wait_for_log("ready")
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        assert (await client.get(f"{child.url}/healthz")).json() == {"status": "alive"}
    child.process.send_signal(number)
    # It does not wait for what a drain may take.
    async with asyncio.timeout(process._DRAIN_SECONDS):  # noqa: SLF001 - the longest that a drain may take
        ended = await child.wait_for_exit()
    assert ended == (0, ["background ended", "closed", "stopped"], "")


DEAD_PROXIES = dict.fromkeys(
    ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:1"
) | dict.fromkeys(("no_proxy", "NO_PROXY"), "example.com")


async def run_program(*command: str, **variables: str) -> int | None:
    """Run a program in an environment with proxies that do not answer, and return its exit status."""
    environment = {**os.environ, **DEAD_PROXIES, **variables}
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    async with asyncio.timeout(SECONDS):
        return await process.wait()


async def test_the_health_check_uses_no_proxy_of_the_environment(start: Start) -> None:
    child = await start("works")
    await child.wait_for_log("ready")
    check = (sys.executable, "-m", "services.runtime.healthcheck")
    port = {"COHOST_HTTP_PORT": child.url.rpartition(":")[2]}
    assert await run_program(*check, **port) == 0
    assert await run_program(*check, "readyz", **port) == 1


@pytest.mark.skipif(shutil.which("wget") is None, reason="wget is not installed")
async def test_wget_finds_a_healthy_service_without_loading_its_answer(start: Start) -> None:
    child = await start("works")
    await child.wait_for_log("ready")
    probe = ("wget", "--quiet", "--tries=1", "--no-proxy", "--spider")
    for path in ("/healthz", "/metrics", "/openapi.json", "/asyncapi"):
        assert await run_program(*probe, child.url + path) == 0
    assert await run_program(*probe, f"{child.url}/readyz") == 8


async def test_a_request_in_progress_is_answered_before_exit(start: Start) -> None:
    child = await start("works")
    await child.wait_for_log("ready")
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        request = asyncio.create_task(client.get(f"{child.url}/slow"))
        await child.wait_for_log("slow began")
        child.process.send_signal(signal.SIGTERM)
        assert (await request).json() == "done"
    assert (await child.wait_for_exit())[0] == 0


async def test_a_process_exits_within_ten_seconds_of_a_stop(start: Start) -> None:
    child = await start("stuck")
    await child.wait_for_log("ready")
    child.process.send_signal(signal.SIGTERM)
    status, events, err = await child.wait_for_exit()
    assert (status, err) == (0, "")
    # The timer that has ended it, and how late FastStream may notice the signal.
    assert process._SHUTDOWN_SECONDS + 0.1 < 10  # noqa: SLF001 - a busy machine adds to what a clock shows
    assert events[-1] == "shutdown timed out: exiting without draining"


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("refused", "the database belongs to another cluster\n"),
        ("refused setting", "the topics have 3 partitions (COHOST_PARTITIONS)\n"),
        ("damaged", "the log ends before what was acknowledged\n"),
    ],
)
async def test_a_fatal_state_gives_one_line_and_status_3(start: Start, what: str, line: str) -> None:
    child = await start(what)
    status, events, err = await child.wait_for_exit()
    assert (status, err) == (3, line)
    assert "ready" not in events


@pytest.mark.parametrize("what", ["broken", "broken background"])
async def test_an_internal_error_is_logged_and_gives_status_1(start: Start, what: str) -> None:
    child = await start(what)
    status, events, err = await child.wait_for_exit()
    assert (status, err) == (1, "")
    assert events[-1] == "stopped by an error"
    assert "RuntimeError: a mistake" in child.lines[-1]["exception"]


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"COHOST_PARTITIONS": "none"}, "COHOST_PARTITIONS"),
        ({"COHOST_DATABASE_URL": ""}, "COHOST_DATABASE_URL"),
        ({"COHOST_DATABASE_URL": "postgresql://u:hush@h:port/db"}, "COHOST_DATABASE_URL"),
        ({"COHOST_DATABASE_URL": "postgresql://h/db?sslmode=perhaps"}, "COHOST_DATABASE_URL"),
        (
            {"COHOST_DATABASE_URL": "postgresql://u:hush@h/db?channel_binding=require"},
            "COHOST_DATABASE_URL: channel_binding=require",
        ),
        (
            {"COHOST_DATABASE_URL": "postgresql://h/db?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"},
            "COHOST_DATABASE_URL: sslrootcert=/nowhere/ca.pem",
        ),
        ({"COHOST_HTTP_HOST": "no.such.host.invalid"}, "COHOST_HTTP_HOST"),
        ({"COHOST_HTTP_HOST": "a..b"}, "COHOST_HTTP_HOST"),
        ({"COHOST_HTTP_HOST": "192.0.2.1"}, "COHOST_HTTP_HOST"),
        ({"COHOST_DATABASE_URL": "postgresql://u:hush@127.0.0.1:99999/db"}, "COHOST_DATABASE_URL"),
    ],
)
async def test_a_wrong_setting_gives_one_line_and_status_2(
    start: Start, variables: dict[str, str], name: str
) -> None:
    child = await start("works", **variables)
    status, events, err = await child.wait_for_exit()
    assert (status, events) == (2, [])
    assert err.startswith(name)
    assert err.count("\n") == 1
    assert "hush" not in err


async def test_a_wrong_database_password_gives_one_line_and_status_2(start: Start, stack: Stack) -> None:
    url = await stack.create_database(f"refused_{secrets.token_hex(6)}")
    parts = urlsplit(url)
    wrong = parts._replace(netloc=f"{parts.username}:hush@{parts.hostname}:{parts.port}").geturl()
    status, events, err = await (await start("works", COHOST_DATABASE_URL=wrong)).wait_for_exit()
    assert (status, events) == (2, [])
    assert err == f'COHOST_DATABASE_URL: password authentication failed for user "{parts.username}"\n'


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/keys", "http://no.such.host.invalid/keys"])
async def test_missing_keys_of_callers_give_one_line_and_status_2(start: Start, url: str) -> None:
    child = await start("works", COHOST_JWKS_URL=url)
    status, events, err = await child.wait_for_exit()
    assert (status, events, err.count("\n")) == (2, ["closed"], 1)
    assert err.startswith("COHOST_JWKS_URL: ")


async def test_a_process_fetches_the_callers_keys_at_start(start: Start) -> None:
    key = SigningKey("1")
    async with running_key_server() as keys, httpx.AsyncClient(timeout=SECONDS) as client:
        keys.serve_keys(key)
        child = await start("works", COHOST_JWKS_URL=keys.url, COHOST_JWT_SECRET="")
        await child.wait_for_log("ready")
        answer = await client.get(f"{child.url}/v1/rooms/room/example", headers=key.headers())
        assert (answer.status_code, len(keys.requests)) == (200, 1)


async def test_a_server_without_tls_gives_one_line_and_status_2(start: Start, stack: Stack) -> None:
    url = f"{stack.database_url}?sslmode=require"
    expected = "COHOST_DATABASE_URL: sslmode demands TLS, which the server does not offer\n"
    assert await (await start("works", COHOST_DATABASE_URL=url)).wait_for_exit() == (2, [], expected)


async def test_an_untrusted_database_gives_one_line_and_status_2(start: Start, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def offer_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        with contextlib.suppress(OSError):
            await writer.start_tls(context)
        writer.close()

    server = await asyncio.start_server(offer_tls, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"postgresql://u:hush@127.0.0.1:{port}/db?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"
    status, _, err = await (await start("works", COHOST_DATABASE_URL=url)).wait_for_exit()
    server.close()
    assert status == 2
    assert err.startswith("COHOST_DATABASE_URL: the server's certificate is refused: ")


async def test_a_port_in_use_gives_one_line_and_status_2(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        child = await start("works", COHOST_HTTP_PORT=str(port))
        expected = f"COHOST_HTTP_PORT: cannot listen on 127.0.0.1:{port}: Address already in use\n"
        assert await child.wait_for_exit() == (2, [], expected)


async def test_repeated_warnings_are_logged_once(start: Start) -> None:
    child = await start("works")
    await child.wait_for_log("ready")
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        for _ in range(3):
            assert (await client.get(f"{child.url}/readyz")).status_code == 503
            await asyncio.sleep(1.1)  # readiness is cached for a second
    child.process.send_signal(signal.SIGTERM)
    await child.wait_for_exit()
    complaints = [line for line in child.lines if line.get("logger", "").startswith("aiokafka")]
    assert [line["level"] for line in complaints] == ["error"]


async def test_nothing_secret_is_logged(start: Start) -> None:
    child = await start("works", COHOST_LOG_LEVEL="debug", COHOST_JWT_SECRET=example_service.SECRET)
    await child.wait_for_log("ready")
    token = example_service.bearer_headers()
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        for path in ("/v1/stored", "/v1/broken", "/v1/rooms/a/example"):
            await client.get(child.url + path, headers=token)
    child.process.send_signal(signal.SIGTERM)
    _, _, err = await child.wait_for_exit()
    output = err + json.dumps(child.lines)
    assert "a mistake with a secret in it" in output
    assert token["Authorization"].split(".")[1] not in output
    assert example_service.SECRET not in output
