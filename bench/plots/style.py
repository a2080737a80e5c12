"""Style of the plots: on a background of their own, with colours that colour-blind people can tell apart."""

import re
from math import isclose, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette.
BLUE, SKY, GREEN, ORANGE, VERMILION, PURPLE = (
    *("#0072b2", "#56b4e9", "#009e73", "#e69f00"),
    *("#d55e00", "#cc79a7"),
)
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
INK, MUTED, GRID = "#1f2328", "#59636e", "#d9dee3"

STYLE: Any = {
    # Text stays text: it can be searched, and takes a fifth of the bytes.
    "svg.fonttype": "none",
    # The ids of clip paths are hashes with this instead of a random number.
    "svg.hashsalt": "cohost",
    "font.family": "sans-serif",
    # The plotter brings the first and measures it; the second is as wide.
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    # The lines of the grid are enough.
    "xtick.bottom": False,
    "ytick.left": False,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.constrained_layout.w_pad": 0.14,
    "figure.constrained_layout.h_pad": 0.14,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
# Comments; indentation; digits below a hundredth of a point; names of groups, which nothing refers to.
_SHORTER = ((r"<!--.*?-->\s*", ""), (r"\s*\n\s*", "\n"), (r"(\d\.\d\d)\d+", r"\1"), (r'<g id="[^"]*"', "<g"))


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches; the style must be in force."""
    return Figure(figsize=(width, height), layout="constrained")


def write_svg(figure: Figure, path: Path) -> None:
    """Write a figure without the time and the plotter's version, so that equal results are equal files."""
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text(shorten_svg(path.read_text()))


def shorten_svg(text: str) -> str:
    """Return the plotter's SVG in about half of its bytes, with all that is seen."""
    for pattern, replacement in _SHORTER:
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    return text


def use_style() -> Any:
    """Return a context in which figures have the style."""
    return mpl.rc_context(STYLE)


def hide_grid_of_categories(axes: Axes) -> None:
    """Leave out the lines of a vertical axis that has names instead of numbers."""
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def format_power(value: float) -> str:
    """Return a power of ten, in characters that are in every font; nothing for other numbers."""
    exponent = round(log10(value))
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}" if isclose(10.0**exponent, value) else ""


def format_figure(value: float) -> str:
    """Return a number as it is written in a plot: with thousands separated, or with two digits."""
    if value >= 10:  # noqa: PLR2004 - two digits
        return f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}")
    return f"{value:.2g}"
