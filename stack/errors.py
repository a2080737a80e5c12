"""What can go wrong when a part is started."""

from pathlib import Path

LINES = 20


class StartError(Exception):
    """A part did not start; `log` holds the last lines that it wrote."""

    def __init__(self, name: str, what: str, log: str = "") -> None:
        self.name = name
        self.log = log
        super().__init__(f"{name} {what}" + (f"; its last lines:\n{log}" if log else ""))


def tail(log: Path) -> str:
    """Return the last lines of a log file, or nothing where there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LINES:])
