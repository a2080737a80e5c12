"""Plot of what a command costs: each step begins where the one before it ends."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.plots import style
from bench.result_shapes import CostData, CostItem

_SERVERS = {"Postgres": style.ORANGE, "Kafka": style.GREEN}
_PASSTHROUGH = style.MUTED


def draw_cost(data: CostData) -> Figure:
    """Return the plot: steps from top to bottom, microseconds to the right, the passthrough below."""
    figure = style.new_figure(9, 5)
    axes = figure.add_subplot()
    names: list[str] = []
    begin = 0.0
    for item in data["steps"]:
        _draw_bar(axes, len(names), begin, item, _SERVERS.get(item["name"], style.BLUE))
        names.append(item["name"])
        begin += item["us"]["median"]
    for item, colour in ((data["whole"], style.INK), (data["whole_passthrough"], _PASSTHROUGH)):
        _draw_bar(axes, len(names), 0, item, colour)
        names.append(item["name"])
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08 * max(begin, data["whole"]["us"]["median"]))
    axes.set_xlabel("microseconds of a processor for one command")
    ratio = data["whole"]["ratio"]["median"]
    axes.set_title(f"A command costs {ratio:.1f} times a raw passthrough of its bytes")
    style.hide_grid_of_categories(axes)
    for label, colour in (("one worker", style.BLUE), *_SERVERS.items()):
        axes.barh(0, 0, color=colour, label=label)
    axes.legend(loc="upper right")
    return figure


def _draw_bar(axes: Axes, row: int, begin: float, item: CostItem, colour: str) -> None:
    width = item["us"]["median"]
    axes.barh(row, width, left=begin, color=colour, height=0.72)
    axes.annotate(
        f"{width:.1f}", (begin + width, row), (4, 0), textcoords="offset points", va="center", fontsize=9
    )
