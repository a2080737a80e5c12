"""Aligned text tables."""

from collections.abc import Sequence


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return head and rows as lines; the first column is aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_format_line(head, widths), "-" * (sum(widths) + 2 * len(widths) - 2)]
    return "\n".join([*lines, *(_format_line(row, widths) for row in rows)])


def format_number(value: float) -> str:
    """Return a number with thousands separated by spaces, or with one decimal below 100."""
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 100 else f"{value:.1f}"  # noqa: PLR2004


def _format_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.rjust(width) if index else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()
