"""The data of a stack that stays: Kafka's and Postgres' belong together, or are of no use."""

import shutil
from pathlib import Path


def belong_together(root: Path) -> bool:
    """Tell whether both were made for one another, or neither is there."""
    return _read(root / "kafka" / "cluster") == _read(root / "postgres" / "cluster")


def marry(root: Path) -> None:
    """Note at Postgres' data which Kafka they go with."""
    (root / "postgres" / "cluster").write_text((root / "kafka" / "cluster").read_text())


def wipe(root: Path) -> None:
    """Remove the data of both."""
    home = root / "postgres"
    if home.is_symlink():
        shutil.rmtree(home.resolve(), ignore_errors=True)
        home.unlink()
    for name in ("kafka", "postgres"):
        shutil.rmtree(root / name, ignore_errors=True)


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
