"""The report as a file: complete, with its time, and never half written."""

import json
from pathlib import Path

import pytest

from cohost.audit import report_file
from cohost.audit.report import Report
from cohost.audit.report_file import write_report
from cohost_schemas.ops.state import LastAudit

REPORT = Report(
    commands=3,
    outcomes=2,
    events=1,
    rejections=1,
    dead_letters=0,
    violations=["broken"],
    unchecked=["old (1)"],
)


def test_a_report_is_written_with_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_file.timestamps, "current_timestamp", lambda: "2026-01-01T12:00:00.000Z")
    path = tmp_path / "audit.json"
    path.write_text("an older report")
    write_report(REPORT, path)
    assert json.loads(path.read_text()) == {
        "at": "2026-01-01T12:00:00.000Z",
        "commands": 3,
        "outcomes": 2,
        "events": 1,
        "rejections": 1,
        "deadLetters": 0,
        "violations": ["broken"],
        "unchecked": ["old (1)"],
    }
    assert [entry.name for entry in tmp_path.iterdir()] == ["audit.json"]
    shown = LastAudit.model_validate_json(path.read_bytes(), by_alias=True, by_name=False)
    assert (shown.commands, shown.violations) == (3, ("broken",))


def test_a_report_that_cannot_be_completed_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.json"
    path.write_text("an older report")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_report(REPORT, path)
    assert path.read_text() == "an older report"
    assert [entry.name for entry in tmp_path.iterdir()] == ["audit.json"]
