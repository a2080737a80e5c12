"""Plot of the latency ladder: the spectrum of percentiles at each rate."""

from collections.abc import Sequence
from math import log10

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.ladder.ladder_report import PIPELINE, PLAIN_HANDLER
from bench.plots import style
from bench.result_shapes import LatencyData, LatencyRung

_PERCENTILES = (0, 50, 90, 99, 99.9, 99.99)
_DARKEST, _LIGHTEST = 0.95, 0.45


def draw_latency(data: LatencyData) -> Figure:
    """Return the plot: percentiles to the right, milliseconds upwards, each of their scales logarithmic."""
    figure = style.new_figure(9, 5)
    axes = figure.add_subplot()
    for name, palette, line in _PROGRAMS:
        rungs = [rung for rung in data["ladder"] if rung["name"] == name and rung["spectrum"]]
        for index, rung in enumerate(rungs):
            share = index / max(1, len(rungs) - 1)
            colour = colormaps[palette](_LIGHTEST + share * (_DARKEST - _LIGHTEST))
            _draw_spectrum(axes, rung, colour, line)
    axes.set_title("From a command's due time to its outcome at a read_committed reader")
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.format_figure(value)))
    axes.set_xticks([_position(each) for each in _PERCENTILES], [f"{each:g}\u202f%" for each in _PERCENTILES])
    axes.set_xlabel("share of commands that are faster")
    # The highest rate first: its line is at the top.
    figure.legend(loc="outside right upper", title="commands a second", alignment="left", reverse=True)
    return figure


# Names, colour maps and line styles.
_PROGRAMS = ((PIPELINE, "Blues", "-"), (PLAIN_HANDLER, "Oranges", "--"))


def _draw_spectrum(axes: Axes, rung: LatencyRung, colour: Sequence[float], line: str) -> None:
    # The longest would be infinitely far to the right.
    spectrum = [(_position(percentile), ms) for percentile, ms in rung["spectrum"] if percentile < 100]  # noqa: PLR2004 - per cent
    label = f"{rung['name']}, {style.format_figure(rung['rate'])}"
    axes.plot(*zip(*spectrum, strict=True), line, color=colour, linewidth=2, label=label)


def _position(percentile: float) -> float:
    """Return where a percentile is: each nine is as far to the right as the one before it."""
    return -log10(1 - percentile / 100)
