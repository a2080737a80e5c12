"""The audit report as a JSON file, for programs such as the gateway."""

import json
import os
from pathlib import Path

from cohost.audit.report import Report
from cohost_schemas import timestamps


def write_report(report: Report, path: Path) -> None:
    """Write the report with the time of now; a reader finds the old file or the new one, complete.

    Raises `OSError`.
    """
    content = {
        "at": timestamps.current_timestamp(),
        "commands": report.commands,
        "outcomes": report.outcomes,
        "events": report.events,
        "rejections": report.rejections,
        "deadLetters": report.dead_letters,
        "violations": report.violations,
        "unchecked": report.unchecked,
    }
    # In the same folder, because a file system replaces only its own files in one step.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
