"""The file with the services' variables, for shells."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from stack.settings import MARKER


def write(root: Path, variables: Mapping[str, str]) -> Path:
    """Write `env` into the folder, one `export` line a variable, readable by its owner alone."""
    path = root / "env"
    partial = root / "env.partial"
    partial.touch(mode=0o600)
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items())]
    partial.write_text("".join([*lines, f"export {MARKER}={shlex.quote(str(root))}\n"]))
    partial.replace(path)
    return path


def remove(root: Path) -> None:
    """Take the file away; what it says is no longer true."""
    (root / "env").unlink(missing_ok=True)
