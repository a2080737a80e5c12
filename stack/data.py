"""The data of a stack that stays: Kafka's and Postgres' belong together, or are of no use."""

import shutil
from pathlib import Path

NAMES = ("kafka", "postgres")
_ELSEWHERE = "elsewhere"


def belong_together(root: Path) -> bool:
    """Tell whether both were used with one another, or neither was used yet."""
    kafka, postgres = (_read(_partner(root, name)) for name in NAMES)
    return kafka == postgres != _ELSEWHERE


def marry(root: Path) -> None:
    """Note at the data of both that they are used with one another."""
    for name in NAMES:
        _partner(root, name).write_text((root / "kafka" / "cluster").read_text())


def lend(root: Path, name: str) -> None:
    """Note at the data of one that they are used with another that runs elsewhere."""
    _partner(root, name).write_text(_ELSEWHERE)


def wipe(root: Path) -> None:
    """Remove the data of both."""
    home = root / "postgres"
    if home.is_symlink():
        shutil.rmtree(home.resolve(), ignore_errors=True)
        home.unlink()
    for name in NAMES:
        shutil.rmtree(root / name, ignore_errors=True)


def _partner(root: Path, name: str) -> Path:
    return root / name / "partner"


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
