"""Lines that reports print."""

from collections.abc import Callable

PrintLine = Callable[[str], None]
"""Print a line of a report."""


def print_line(text: str) -> None:
    """Print a line and flush it."""
    print(text, flush=True)  # noqa: T201 - the report
