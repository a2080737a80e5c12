"""Processes stop on request, and when their parent process is gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from stack import StartError, background
from stack.processes import process, reaper

SLEEP = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(15, signal.SIG_IGN); print('here', flush=True); {SLEEP}"
FAMILY = f"import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); {SLEEP}"


def program(tmp_path: Path, code: str, patience: float = 10) -> process.Program:
    command = (sys.executable, "-c", code)
    return process.Program(
        "example", command, tmp_path, tmp_path / "log", dict(os.environ), stop_timeout=patience
    )


async def first_output(running: process.Process) -> str:
    async def anything() -> bool:
        return bool(running.log_tail())

    await running.wait_until_ready(anything, 30)
    return running.log_tail()


async def test_a_process_ignoring_termination_is_killed_after_the_timeout(tmp_path: Path) -> None:
    running = process.start_program(program(tmp_path, STUBBORN, patience=0.2))
    await first_output(running)
    await running.stop()
    assert not running.is_alive


async def test_a_detached_process_outlives_the_reaper_and_can_be_stopped(tmp_path: Path) -> None:
    running = process.start_program(program(tmp_path, SLEEP))
    process.detach_processes()
    assert running.is_alive
    await running.stop()
    assert not running.is_alive


async def test_a_paused_process_can_be_stopped(tmp_path: Path) -> None:
    running = process.start_program(program(tmp_path, SLEEP))
    running.pause()
    await running.stop()
    assert not running.is_alive


async def test_killing_a_process_kills_its_children(tmp_path: Path) -> None:
    running = process.start_program(program(tmp_path, FAMILY))
    child = psutil.Process(int(await first_output(running)))
    assert reaper.is_alive(child)
    running.kill()
    assert (running.is_alive, reaper.is_alive(child)) == (False, False)
    assert await running.wait_for_exit() == -signal.SIGKILL


def test_an_orphaned_reaper_ends_and_removes_exactly_what_it_was_given(tmp_path: Path) -> None:
    root, home = tmp_path / "temporary" / "root", tmp_path / "open" / "home"
    for folder in (root, home):
        folder.mkdir(parents=True)
    (root / "data").symlink_to(home)
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as child:
        lines = f"pid {child.pid}\nremove {root / 'data'}\nremove {root}\n"
        command = [sys.executable, "-P", reaper.__file__]
        subprocess.run(command, input=lines, text=True, capture_output=True, check=True)
        assert child.wait() == -signal.SIGTERM
    assert sorted(path.name for path in tmp_path.iterdir()) == ["open", "temporary"]
    assert [*(tmp_path / "open").iterdir(), *(tmp_path / "temporary").iterdir()] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_a_stopped_process_ends_despite_signals_to_the_reaper(tmp_path: Path, number: int) -> None:
    process.detach_processes()
    before = set(psutil.Process().children())
    running = process.start_program(program(tmp_path, SLEEP))
    (reaper,) = set(psutil.Process().children()) - before - {psutil.Process(running.pid)}
    reaper.send_signal(number)
    await running.stop()
    assert not running.is_alive
    process.detach_processes()


async def test_a_program_exiting_during_start_is_reported_with_its_output(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    running = process.start_program(
        program(tmp_path, "import time; time.sleep(0.3); raise SystemExit('no disk')")
    )
    with pytest.raises(StartError, match="ended while it was starting") as caught:
        await running.wait_until_ready(never)
    assert caught.value.log == "no disk"
    await running.stop()


async def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    missing = process.Program("example", ("/no/such",), tmp_path, tmp_path / "log", {})
    with pytest.raises(StartError, match="example"):
        process.start_program(missing)


async def test_a_run_with_a_bad_status_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="status 3"):
        await process.run_program(program(tmp_path, "raise SystemExit(3)"))


def entry(running: process.Process, identity: int) -> background.ProcessEntry:
    return background.ProcessEntry(running.pid, identity, (1,), signal.SIGTERM, 1, "")


async def test_a_pid_that_now_belongs_to_another_process_is_left_alone(tmp_path: Path) -> None:
    running = process.start_program(program(tmp_path, SLEEP))
    identity = hash(psutil.Process(running.pid))
    true, reused = entry(running, identity), entry(running, identity + 1)
    await reused.terminate()
    assert (reused.is_alive, true.is_alive) == (False, True)
    await true.terminate()
    assert not true.is_alive
    await running.stop()


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere psutil takes the start from the clock")
async def test_a_process_is_found_after_the_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = process.start_program(program(tmp_path, SLEEP))
    true = entry(running, hash(psutil.Process(running.pid)))
    boot_time = psutil.boot_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot_time + 3600)  # noqa: SLF001 - the clock
    assert true.is_alive
    await running.stop()
