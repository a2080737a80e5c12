"""The report that `python -m cohost.audit --report FILE` wrote last."""

from pathlib import Path

from pydantic import ValidationError

from cohost_schemas.ops.state import LastAudit

MAX_VIOLATIONS = 100


def read_last_audit(path: Path | None) -> LastAudit | None:
    """Return the report, None if there is none or it is not readable."""
    if path is None:
        return None
    try:
        report = LastAudit.model_validate_json(path.read_bytes(), by_alias=True, by_name=False)
    except (OSError, ValidationError):
        return None
    return report.model_copy(update={"violations": report.violations[:MAX_VIOLATIONS]})
