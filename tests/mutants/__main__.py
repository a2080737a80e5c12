"""Apply each patch of this folder to a copy of the repository, and report which test fails there.

The arguments are names of patches without their ending; without any, all are tried. Exit status 1 if no test
of a patch fails, or if a patch does not apply.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TEST_SECONDS = 300
_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)


def list_patches() -> list[Path]:
    """Return the patches in the order of their names."""
    return sorted(Path(__file__).parent.glob("*.patch"))


def named_tests(patch: Path) -> list[str]:
    """Return the tests that a patch names, as pytest's arguments."""
    return re.findall(r"^Test: (\S+)$", patch.read_text(), re.MULTILINE)


def apply_patch(patch: Path, folder: Path, *options: str) -> str:
    """Apply a patch in a folder; return the error, or an empty string."""
    command = ["git", "apply", *options, str(patch)]
    # Inside a repository `git apply` would skip the files of a folder that is not tracked.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stderr


def copy_repository(folder: Path) -> None:
    """Copy the tracked files."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def find_failing_tests(patch: Path) -> list[str]:
    """Return the tests of the patch that fail in a patched copy."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name).resolve()
        copy_repository(folder)
        if error := apply_patch(patch, folder):
            sys.exit(f"{patch.stem}: the patch does not apply: {error}")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *named_tests(patch)]
        environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'schemas'}"}
        ended = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TEST_SECONDS,
            check=False,
        )
        if ended.returncode not in (0, 1):
            sys.exit(f"{patch.stem}: the tests cannot run:\n{ended.stdout}{ended.stderr}")
        return _FAILED.findall(ended.stdout)


def main() -> None:
    chosen = [patch for patch in list_patches() if not sys.argv[1:] or patch.stem in sys.argv[1:]]
    survivors = []
    for patch in chosen:
        failing = find_failing_tests(patch)
        print(f"{patch.stem}: {'caught by' if failing else 'NOT CAUGHT'}", *failing, sep="\n    ", flush=True)  # noqa: T201 - the report
        if not failing:
            survivors.append(patch.stem)
    sys.exit(f"not caught: {', '.join(survivors)}" if survivors else 0)


if __name__ == "__main__":
    main()
