"""Plot of growth: a panel for each figure, over the count of what grows."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import cycle
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.plots import style
from bench.result_shapes import GrowthData, GrowthSeries

_COLUMNS = 3
_LOGARITHMIC_FROM = 50
_MOST_TICKS = 6
_TITLE_WIDTH = 30
_MARKERS = "osD^v"


def draw_growth(data: GrowthData) -> Figure:
    """Return the plot: series of the same count and unit share a panel."""
    panels: dict[tuple[str, str], list[GrowthSeries]] = defaultdict(list)
    for series in data["series"]:
        panels[series["x_name"], series["unit"]].append(series)
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = style.new_figure(3.2 * columns, 2.7 * rows)
    for number, ((x_name, unit), found) in enumerate(panels.items(), 1):
        _draw_panel(figure.add_subplot(rows, columns, number), x_name, unit, found)
    return figure


def _draw_panel(axes: Axes, x_name: str, unit: str, found: Sequence[GrowthSeries]) -> None:
    for series, colour, marker in zip(found, cycle(style.COLOURS), cycle(_MARKERS), strict=False):
        axes.plot(
            *(series["x"], series["y"]),
            marker,
            color=colour,
            linestyle="-",
            markersize=4.5,
            label=series["name"],
        )
    axes.set_xlabel(x_name)
    _scale_axes(axes, found)
    name = f"{found[0]['name']}, {unit}" if len(found) == 1 else unit
    axes.set_title(fill(name, _TITLE_WIDTH), fontsize=9.5)
    if len(found) > 1:
        axes.legend(fontsize=8, loc="upper left", ncols=2, columnspacing=1)


def _scale_axes(axes: Axes, found: Sequence[GrowthSeries]) -> None:
    counts = sorted({x for series in found for x in series["x"]})
    values = [y for series in found for y in series["y"]]
    if _is_wide(counts):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.format_power(value)))
    else:
        axes.set_xticks(counts if len(counts) <= _MOST_TICKS else counts[:: len(counts) // _MOST_TICKS])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.format_figure(value)))
    # A legend needs room above the lines.
    room = 1 if len(found) == 1 else 1.4
    if _is_wide(values):
        axes.set_yscale("log")
        axes.set_ylim(0.7 * min(values), 1.4 * max(values) * room**4)
    else:
        axes.set_ylim(0, 1.15 * max(values) * room)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.format_figure(value)))
    axes.minorticks_off()


def _is_wide(values: Sequence[float]) -> bool:
    """Return whether values need a logarithmic scale."""
    return min(values) > 0 and max(values) / min(values) >= _LOGARITHMIC_FROM
