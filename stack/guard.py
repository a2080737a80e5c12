"""Stand between a starter and its process, and end the process when the starter is gone.

Run by file and without its folder on the path, so that it imports nothing of this package. The first
line on standard input is the order, as JSON; the child's pid goes to standard output. Another line
before the end of input is a farewell, or sets the child free to outlive its starter; an end without one
means that the starter died, and what the order names is removed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

FAREWELL = "farewell"
FREE = "free"
PAUSE = 0.02


def alive(process: psutil.Process) -> bool:
    """Tell whether the very same process still runs; one that waits to be reaped does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return the process and all that descend from it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send(processes: list[psutil.Process], number: int) -> None:
    """Signal the processes that are still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def kill(process: psutil.Process) -> None:
    """Kill the process and all that descend from it, and wait until they are gone."""
    members = family(process)
    send(members, signal.SIGKILL)
    _wait(members, 10)


def end(process: psutil.Process, number: int, patience: float) -> None:
    """Ask the process to end, and kill what is still there after `patience` seconds."""
    members = family(process)
    # A stopped process sees no other signal until it goes on.
    send(members, signal.SIGCONT)
    send([process], number)
    _wait([process], patience)
    send([member for member in members if alive(member)], signal.SIGKILL)
    _wait(members, 10)


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(PAUSE)


def spawn(order: dict[str, Any], output: int) -> subprocess.Popen[bytes]:
    """Start what the order says in a session of its own; root may name another user for it."""
    other = {"user": order["user"], "group": order["group"], "extra_groups": []} if order["user"] else {}
    return subprocess.Popen(  # noqa: S603 - the command is this package's own
        order["command"],
        cwd=order["folder"],
        env=order["environment"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        **other,
    )


def _remove(paths: list[str], within: str | None) -> None:
    for path in map(Path, paths):
        if path.is_symlink() or path.is_file():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
    if within is not None:
        with suppress(OSError):
            Path(within).rmdir()


def _follow(child: subprocess.Popen[bytes], parting: threading.Event) -> None:
    status = child.wait()
    if not parting.is_set():
        os._exit(status if status >= 0 else 128 - status)


def main() -> None:
    """Start the child, and end it at the end of input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Handled and not ignored, because a child would inherit that.
        signal.signal(number, lambda *_: None)
    line = sys.stdin.readline()
    if not line:
        return
    order = json.loads(line)
    child = spawn(order, sys.stderr.fileno())
    process = psutil.Process(child.pid)
    parting = threading.Event()
    with suppress(OSError):
        os.write(sys.stdout.fileno(), f"{child.pid}\n".encode())
    threading.Thread(target=_follow, args=(child, parting), daemon=True).start()
    parted = sys.stdin.read().strip()
    parting.set()
    if parted == FREE:
        return
    end(process, order["stop"], order["patience"])
    if parted != FAREWELL:
        _remove(order["remove"], order["within"])


if __name__ == "__main__":
    main()
