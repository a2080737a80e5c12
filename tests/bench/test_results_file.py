"""Files of results."""

import json
import os
import platform
from pathlib import Path

from bench import results_file


def test_a_result_has_a_head_and_the_data_with_sorted_keys(tmp_path: Path) -> None:
    path = results_file.write_result(
        "drain", {"seconds": 2.5, "commands": 10}, seed=7, load_average=0.42, folder=tmp_path / "results"
    )
    assert path == tmp_path / "results" / "drain.json"
    written = path.read_text()
    found = json.loads(written)
    assert written == json.dumps(found, indent=2, sort_keys=True) + "\n"
    day, revision = found.pop("measured_at"), found.pop("revision")
    assert len(day) == len("2026-11-29")
    assert revision is None or revision.isalnum()
    assert found == {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load_average": 0.4,
        "seed": 7,
        "data": {"seconds": 2.5, "commands": 10},
    }


def test_a_result_that_was_not_saved_is_none(tmp_path: Path) -> None:
    assert results_file.read_result("drain", tmp_path) is None


def test_figures_keep_three_significant_digits() -> None:
    assert [results_file.round_figure(value) for value in (0.0012345, 12.345, 98765)] == [
        0.00123,
        12.3,
        98800,
    ]
