"""The background stack: its timeouts, and the data it must not touch."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack import StartError, background, services


async def test_a_hanging_component_is_given_its_timeout_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    copy = services.ServiceProcess("broadcast", (hanging.sockets[0].getsockname()[1],), {}, tmp_path / "log")
    create_client = httpx.AsyncClient

    def without_timeout(**options: Any) -> httpx.AsyncClient:
        return create_client(**{**options, "timeout": None})

    # A request waits as long as it is let: nothing but the component's own timeout ends it.
    monkeypatch.setattr(httpx, "AsyncClient", without_timeout)
    monkeypatch.setattr(background, "ANSWER_SECONDS", 0.2)
    async with asyncio.timeout(60):
        assert not await background.is_ready_soon(copy)
    hanging.close()


@pytest.mark.parametrize("local", ["kafka", "postgres"])
async def test_data_used_with_an_external_component_is_left_alone(tmp_path: Path, local: str) -> None:
    (tmp_path / local).mkdir()
    (tmp_path / "local_data").write_text(local)
    with pytest.raises(StartError, match="do not belong together; `python -m stack wipe`"):
        await background.BackgroundStack(tmp_path).up()
    assert (tmp_path / local).exists()
