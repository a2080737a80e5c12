"""The report that `python -m cohost.audit --report FILE` wrote last."""

import stat
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from cohost_schemas.ops.state import LastAudit

MAX_VIOLATIONS = 100


def read_last_audit(path: Path | None) -> LastAudit | None:
    """Return the report, None if there is none or it is not readable."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    # To open a pipe would wait for its writer.
    if not stat.S_ISREG(status.st_mode):
        return None
    return _read_report(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=1)
def _read_report(path: Path, _version: tuple[int, int, int]) -> LastAudit | None:
    """Return the report in a version of the file; one with many violations takes long to parse."""
    try:
        report = LastAudit.model_validate_json(path.read_bytes(), by_alias=True, by_name=False)
    except (OSError, ValidationError):
        return None
    return report.model_copy(update={"violations": report.violations[:MAX_VIOLATIONS]})
