"""What is fetched or built once and then kept for every checkout of the user."""

import asyncio
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

PAUSE = 0.1
SECONDS_BETWEEN_LINES = 15


async def obtain(base: Path, name: str, doing: str, build: Callable[[Path], Awaitable[None]]) -> Path:
    """Return the folder `name` under `base`, which `build` fills first where it is missing.

    It appears whole or not at all, and two who ask at once build it once.
    """
    target = base / name
    if target.exists():
        return target
    async with locked(base / f"{name}.lock"):
        if not target.exists():
            await _build(target, doing, build)
    return target


async def _build(target: Path, doing: str, build: Callable[[Path], Awaitable[None]]) -> None:
    for left in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(left)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        async with _progress(doing):
            await build(partial)
        _publish(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, target: Path) -> None:
    partial.chmod(0o755)
    partial.rename(target)


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold a lock that the system takes away from a process that dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _taken(descriptor):
            await asyncio.sleep(PAUSE)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def _progress(doing: str) -> AsyncIterator[None]:
    start = time.monotonic()
    say(f"{doing} …")
    speaking = asyncio.create_task(_speak(doing, start))
    try:
        yield
    finally:
        speaking.cancel()
    say(f"{doing}: done in {time.monotonic() - start:.0f} s")


async def _speak(doing: str, start: float) -> None:
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_LINES)
        say(f"{doing} … {time.monotonic() - start:.0f} s")


def say(line: str) -> None:
    """Tell whoever waits; standard output stays for results."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
