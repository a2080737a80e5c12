"""Marks that a measured process stops at, so that what it does until it is measured does not count."""

import asyncio
import sys


def stop_at_mark(mark: str) -> None:
    """Print a mark and wait until this process is released."""
    sys.stdout.write(f"{mark}\n")
    sys.stdout.flush()
    sys.stdin.readline()


async def wait_for_mark(process: asyncio.subprocess.Process, mark: str) -> None:
    """Wait until a process stops at a mark, which must be its next one."""
    if process.stdout is None or (await process.stdout.readline()).decode().strip() != mark:
        msg = f"the handler exited before its mark {mark!r}"
        raise RuntimeError(msg)


def release_process(process: asyncio.subprocess.Process) -> None:
    """Let a process that stopped at a mark go on."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.write(b"\n")
