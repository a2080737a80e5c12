"""`python -m stack` in a folder with a space in its name."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from cohost import tokens
from stack import ports, services
from stack.state_file import StateFile


def run_stack(root: Path, *words: str) -> tuple[int, dict[str, str]]:
    """Run the command; return its exit status and the printed state of every component."""
    command = [sys.executable, "-m", "stack", "--root", str(root), *words]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=services.REPOSITORY, check=False)
    # Shown if the test fails.
    sys.stdout.write(f"{words}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
    rows = [line.split() for line in ended.stdout.splitlines() if not line.startswith("the variables")]
    return ended.returncode, {row[0]: row[1] for row in rows}


def env_variable(root: Path, name: str) -> str:
    script = '. "$1/env"; printenv "$2"'
    command = ["sh", "-c", script, "sh", str(root), name]
    return str(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def state_pids(root: Path) -> dict[str, int]:
    return {name: entry["pid"] for name, entry in json.loads((root / "running.json").read_text()).items()}


def scraped_jobs(prometheus_url: str) -> set[str]:
    answer = httpx.get(f"{prometheus_url}/api/v1/targets", trust_env=False)
    return {target["labels"]["job"] for target in answer.json()["data"]["activeTargets"]}


def kill_process(root: Path, name: str) -> None:
    """Kill a component or service, and wait until it is gone."""
    killed = StateFile(root).read_entry(name)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while killed.is_alive:
        assert time.monotonic() < deadline, f"{name} outlives SIGKILL"
        time.sleep(0.02)


async def execute_sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@contextlib.contextmanager
def taken_port(port: int) -> Iterator[None]:
    """Keep a port during the block, or let it be to whoever has it."""
    with socket.socket() as taken:
        with contextlib.suppress(OSError):
            taken.bind((ports.ADDRESS, port))
        yield


PARTS_UP = {
    "kafka": "up",
    "postgres": "up",
    "livekit": "up",
    "invitations": "down",
    "broadcast": "down",
    "gateway": "down",
}
ALL_DOWN = dict.fromkeys(PARTS_UP, "down")
ALL_UP = dict.fromkeys(PARTS_UP, "up")


async def test_a_stack_goes_up_stays_up_comes_back_and_goes_down(tmp_path: Path) -> None:
    root = tmp_path / "a folder" / ".stack"
    (root / "mine").mkdir(parents=True)
    try:
        with taken_port(*services.SERVICE_PORTS["broadcast"]):
            assert run_stack(root, "up", "--parts-only") == (0, PARTS_UP)
        first = state_pids(root)
        assert run_stack(root, "up", "--parts-only") == (0, PARTS_UP)
        assert state_pids(root) == first
        url = env_variable(root, "COHOST_DATABASE_URL")
        await execute_sql(url, "CREATE TABLE kept ()")

        kill_process(root, "livekit")
        assert run_stack(root, "status") == (1, PARTS_UP | {"livekit": "down"})
        assert run_stack(root, "up", "--parts-only") == (0, PARTS_UP)
        assert state_pids(root) == first | {"livekit": state_pids(root)["livekit"]}

        assert run_stack(root, "down") == (0, {})
        assert run_stack(root, "status") == (1, ALL_DOWN)
        assert run_stack(root, "up", "--parts-only") == (0, PARTS_UP)
        await execute_sql(env_variable(root, "COHOST_DATABASE_URL"), "SELECT FROM kept")
    finally:
        assert run_stack(root, "wipe") == (0, {})
    assert sorted(path.name for path in root.iterdir()) == ["lock", "mine"]


def test_the_gateway_goes_up_after_the_services_and_is_in_the_variables(tmp_path: Path) -> None:
    try:
        assert run_stack(tmp_path, "up") == (0, ALL_UP)
        first = state_pids(tmp_path)
        url = env_variable(tmp_path, "COHOST_GATEWAY_URL")
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == httpx.codes.OK
        token = tokens.sign(env_variable(tmp_path, "COHOST_JWT_SECRET"), "alice", ops=True)
        answer = httpx.get(f"{url}/v1/rooms", headers={"authorization": f"Bearer {token}"}, trust_env=False)
        assert (answer.status_code, answer.json()) == (200, {"items": [], "nextCursor": None})

        kill_process(tmp_path, "gateway")
        assert run_stack(tmp_path, "status") == (1, ALL_UP | {"gateway": "down"})
        assert run_stack(tmp_path, "up") == (0, ALL_UP)
        assert state_pids(tmp_path) == first | {"gateway": state_pids(tmp_path)["gateway"]}
        assert run_stack(tmp_path, "down") == (0, {})
        assert run_stack(tmp_path, "status") == (1, ALL_DOWN)
    finally:
        assert run_stack(tmp_path, "wipe") == (0, {})


async def test_prometheus_scrapes_the_stack_and_goes_down_with_it(tmp_path: Path) -> None:
    observed = PARTS_UP | {"prometheus": "up"}
    try:
        assert run_stack(tmp_path, "up", "--parts-only", "--observe") == (0, observed)
        first = state_pids(tmp_path)
        url = env_variable(tmp_path, "COHOST_PROMETHEUS_URL")
        # It is ready some seconds before it has read its targets.
        async with asyncio.timeout(60):
            while scraped_jobs(url) != {*services.PROCESS_PORTS, "livekit"}:
                await asyncio.sleep(0.1)

        assert run_stack(tmp_path, "up", "--parts-only") == (0, observed)
        assert state_pids(tmp_path) == first
        assert env_variable(tmp_path, "COHOST_PROMETHEUS_URL") == url
        assert run_stack(tmp_path, "down") == (0, {})
        with pytest.raises(httpx.ConnectError):
            scraped_jobs(url)
        assert run_stack(tmp_path, "status") == (1, ALL_DOWN)
    finally:
        assert run_stack(tmp_path, "wipe") == (0, {})


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 1), (signal.SIGKILL, -signal.SIGKILL)])
async def test_an_interrupted_start_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    command = [sys.executable, "-m", "stack", "--root", str(tmp_path), "up", "--parts-only"]
    starting = subprocess.Popen(command, cwd=services.REPOSITORY, stderr=subprocess.DEVNULL)
    async with asyncio.timeout(60):
        while not (tmp_path / "running.json").exists():
            await asyncio.sleep(0.01)
    starting.send_signal(number)
    assert await asyncio.to_thread(starting.wait) == status
    async with asyncio.timeout(120):
        while any(map(psutil.pid_exists, state_pids(tmp_path).values())) or processes_naming(tmp_path):
            await asyncio.sleep(0.05)
    assert run_stack(tmp_path, "wipe") == (0, {})


def test_a_stack_that_never_ran_has_a_status_and_can_be_taken_down(tmp_path: Path) -> None:
    assert run_stack(tmp_path / "none", "status") == (1, ALL_DOWN)
    assert run_stack(tmp_path / "none", "down") == (0, {})
    assert not (tmp_path / "none").exists()


def test_an_unreachable_external_component_fails_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COHOST_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    command = [sys.executable, "-m", "stack", "--root", str(tmp_path), "up", "--parts-only"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=services.REPOSITORY, check=False)
    line = "kafka does not answer where COHOST_KAFKA_BOOTSTRAP_SERVERS says it is\n"
    assert (ended.returncode, ended.stderr) == (1, line)
    monkeypatch.delenv("COHOST_KAFKA_BOOTSTRAP_SERVERS")
    assert run_stack(tmp_path, "status") == (1, ALL_DOWN)
    assert not processes_naming(tmp_path)
    run_stack(tmp_path, "wipe")


def processes_naming(folder: Path) -> list[psutil.Process]:
    """Return the processes whose command line contains the folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in argument for argument in process.info["cmdline"] or ())
    ]
