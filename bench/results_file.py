"""Files of results: `bench/results/<name>.json`, from which plots and tables of the pages are made.

Each has a head that says when, where and from which revision it was measured, and the `data` of the
measurement, in a shape of `bench/result_shapes.py`.
"""

import json
import os
import platform
import subprocess
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.environment import BenchEnvironment

RESULTS_FOLDER = Path(__file__).parent / "results"


def save_result(
    name: str, data: Mapping[str, Any], environment: BenchEnvironment, options: Namespace
) -> None:
    """Write the result of a measurement if `--save` asks for it."""
    if options.save:
        write_result(name, data, seed=options.seed, load_average=environment.load_average)


def write_result(
    name: str,
    data: Mapping[str, Any],
    *,
    seed: int | None = None,
    load_average: float | None = None,
    folder: Path = RESULTS_FOLDER,
) -> Path:
    """Write the result of a measurement, in place of the last one, and return its file.

    `load_average` is that of the start: at the end it is the measurement's own.
    """
    now = datetime.now(UTC)
    result = {
        "measured_at": now.date().isoformat(),
        "revision": _read_revision(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load_average": None if load_average is None else round(load_average, 1),
        "seed": seed,
        "data": data,
    }
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return path


def read_result(name: str, folder: Path = RESULTS_FOLDER) -> Mapping[str, Any] | None:
    """Return a result with its head, or None if the measurement has not been saved."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def round_figure(value: float, digits: int = 3) -> float:
    """Return a number rounded to its significant digits: more of them are noise."""
    return float(f"{value:.{digits}g}")


def _read_revision() -> str | None:
    """Return the short hash of the commit in this checkout, or None without git."""
    command = ["git", "-C", str(RESULTS_FOLDER.parent), "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
