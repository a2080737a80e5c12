"""The stack that stays: what it waits for, and what it does not touch."""

import asyncio
import time
from pathlib import Path

import pytest

from stack import kept, services


async def test_a_part_that_hangs_is_given_its_seconds_and_not_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    copy = services.Copy("broadcast", hanging.sockets[0].getsockname()[1], {}, tmp_path / "log")
    monkeypatch.setattr(kept, "SECONDS", 0.2)
    began = time.monotonic()
    assert not await kept.soon(copy)
    assert time.monotonic() - began < 2
    hanging.close()
