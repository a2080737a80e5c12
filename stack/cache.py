"""Artifacts that are fetched or built once, for all checkouts of the user."""

import asyncio
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

LOCK_POLL_SECONDS = 0.1


async def build_once(
    base: Path, name: str, description: str, build: Callable[[Path], Awaitable[None]]
) -> Path:
    """Return the folder `name` in `base`, complete; if it is missing, one of the callers builds it first."""
    target = base / name
    if not target.exists():
        async with hold_lock(base / f"{name}.lock"):
            if not target.exists():
                await _build(target, description, build)
    return target


async def _build(target: Path, description: str, build: Callable[[Path], Awaitable[None]]) -> None:
    for leftover in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(leftover)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    began = time.monotonic()
    # Progress goes to standard error; standard output is for results.
    sys.stderr.write(f"{description} …\n")
    try:
        await build(partial)
        _publish(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sys.stderr.write(f"{description}: done in {time.monotonic() - began:.0f} s\n")


def _publish(partial: Path, target: Path) -> None:
    partial.chmod(0o755)
    partial.rename(target)


@asynccontextmanager
async def hold_lock(path: Path) -> AsyncIterator[None]:
    """Hold a lock between processes, which the system releases if its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            await asyncio.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
