"""Ports in use, external components, and the env file for shells."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import Stack, StartError, background, components, ports, services, settings
from stack.processes import reaper
from stack.servers.postgres import Postgres
from stack.settings import ComponentContext


@pytest.fixture
def port_in_use() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((ports.ADDRESS, 0))
        listener.listen()
        yield listener.getsockname()[1]


def context(root: Path) -> ComponentContext:
    return ComponentContext(root, settings.load_settings(), settings.load_secrets(root))


async def test_a_component_whose_port_is_in_use_gets_another(tmp_path: Path, port_in_use: int) -> None:
    part, running = await components.start_component(
        lambda: Postgres(context(tmp_path), ports.reserve_ports((port_in_use,), 1))
    )
    assert (part.ports != (port_in_use,), running.is_alive) == (True, True)
    await running.stop()
    reaper.remove_path(tmp_path / "postgres")


async def test_a_component_losing_its_port_during_start_is_restarted(
    tmp_path: Path, port_in_use: int
) -> None:
    numbers = iter([port_in_use, ports.reserve_port()])
    part, running = await components.start_component(lambda: Postgres(context(tmp_path), (next(numbers),)))
    assert (part.ports != (port_in_use,), running.is_alive) == (True, True)
    await running.stop()
    reaper.remove_path(tmp_path / "postgres")


def test_no_port_is_given_twice_not_even_by_two_processes() -> None:
    port = ports.reserve_port()
    script = f"from stack import ports; print(ports.reserve_port({port}))"
    other = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=services.REPOSITORY
    )
    assert int(other.stdout) != port
    assert ports.reserve_port(port) != port
    ports.release_ports(port)
    assert ports.reserve_port(port) == port


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("kafka", {"COHOST_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}),
        ("postgres", {"COHOST_DATABASE_URL": "postgresql://127.0.0.1:1/cohost"}),
        (
            "livekit",
            {
                "COHOST_LIVEKIT_URL": "ws://127.0.0.1:1",
                "COHOST_LIVEKIT_API_KEY": "key",
                "COHOST_LIVEKIT_API_SECRET": "s" * 32,
            },
        ),
    ],
)
async def test_an_external_component_must_answer(
    monkeypatch: pytest.MonkeyPatch, name: components.ComponentName, variables: dict[str, str]
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(StartError, match=f"does not answer where {next(iter(variables))} says"):
        await Stack(components=[name]).__aenter__()


async def test_an_external_component_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Stack(components=["postgres"]) as other:
        monkeypatch.setenv("COHOST_DATABASE_URL", other.database_url)
        async with Stack(components=["postgres"]) as up:
            assert up.database_url == other.database_url
            with pytest.raises(LookupError):
                up.process_of("postgres").kill()


def test_an_isolated_stack_uses_no_external_component(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHOST_DATABASE_URL", "postgresql://127.0.0.1:1/cohost")
    assert settings.load_settings(isolated=True).overrides == {}
    assert "COHOST_DATABASE_URL" not in settings.load_settings(isolated=True).inherited


def test_the_stacks_own_variables_are_not_an_external_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COHOST_DATABASE_URL", "postgresql://127.0.0.1/cohost")
    monkeypatch.setenv("COHOST_STACK", str(tmp_path))
    assert settings.load_settings().overrides == {}


def test_a_shell_reads_every_value_of_env_unchanged(tmp_path: Path) -> None:
    root = tmp_path / "it's a folder"
    root.mkdir()
    path = background.write_env_file(root, {"COHOST_ONE": "a 'quoted' $HOME `value`\\"})
    script = '. "$1"; printf "%s|%s" "$COHOST_ONE" "$COHOST_STACK"'
    said = subprocess.run(["sh", "-c", script, "sh", path], capture_output=True, text=True, check=True)  # noqa: S607
    assert (said.stdout, path.stat().st_mode & 0o777) == (f"a 'quoted' $HOME `value`\\|{root}", 0o600)


PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("ws://127.0.0.1:7880", ()),
        ("ws://localhost:7880", ()),
        ("ws://[::1]:7880", ()),
        ("wss://live.example", PROXIES),
    ],
)
def test_servers_on_this_machine_are_reached_without_proxies(
    monkeypatch: pytest.MonkeyPatch, url: str, kept: tuple[str, ...]
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    settings.bypass_proxies(url)
    assert tuple(name for name in PROXIES if name in os.environ) == kept
