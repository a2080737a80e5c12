"""Reaper of child processes: it ends them when the process that started them is gone.

It runs as a file, without its folder on the path, so it imports nothing of this package. Standard input has a
line `pid <number>` per process and `remove <path>` per temporary file or folder. At the end of input it ends
the processes and removes the paths; after the line `detach` it leaves both alone.
"""

import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

POLL_SECONDS = 0.02
EXIT_SECONDS = 10


def is_alive(process: psutil.Process) -> bool:
    """Return whether this very process still runs; a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def process_tree(process: psutil.Process) -> list[psutil.Process]:
    """Return the process and all its descendants."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send_signal(processes: list[psutil.Process], signal_number: int) -> None:
    """Send a signal to the processes that still exist."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)


def kill_processes(processes: list[psutil.Process]) -> None:
    """Kill the processes that still run, and wait for their end."""
    send_signal([process for process in processes if is_alive(process)], signal.SIGKILL)
    _wait_for_exit(processes, EXIT_SECONDS)


def stop_all(processes: list[psutil.Process], signal_number: int, timeout: float) -> None:
    """Send a signal to the processes; after `timeout` seconds, kill them and their descendants."""
    members = [member for process in processes for member in process_tree(process)]
    # A stopped process handles no other signal until it continues.
    send_signal(members, signal.SIGCONT)
    send_signal(processes, signal_number)
    _wait_for_exit(processes, timeout)
    kill_processes(members)


def _wait_for_exit(processes: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def remove_path(path: Path) -> None:
    """Remove a file or folder; for a link, also remove the folder that it points to."""
    if path.is_symlink():
        shutil.rmtree(path.resolve(), ignore_errors=True)
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def main() -> None:
    """Read lines until the end of input, then end the processes and remove the paths."""
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.SIG_IGN)
    processes, paths = [], []
    for line in sys.stdin:
        action, _, value = line.rstrip("\n").partition(" ")
        if action == "detach":
            return
        if action == "remove":
            paths.append(Path(value))
        else:
            with suppress(psutil.NoSuchProcess):
                processes.append(psutil.Process(int(value)))
    # Postgres waits for its clients then, which end as well.
    stop_all(processes, signal.SIGTERM, EXIT_SECONDS)
    for path in paths:
        remove_path(path)


if __name__ == "__main__":
    main()
