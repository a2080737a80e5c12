"""Plot of the peers: commands a second, processor time of a command, and latency, a row for each program."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.plots import style
from bench.result_shapes import PeerResult, PeersData

_PARTS = (("process", style.BLUE), ("postgres", style.ORANGE), ("kafka", style.GREEN))
_PART_NAMES = {"process": "its process", "postgres": "Postgres", "kafka": "Kafka"}
_HEIGHT = 0.6


def draw_peers(data: PeersData) -> Figure:
    """Return the plot; the first program is the pipeline."""
    peers = data["peers"]
    figure = style.new_figure(10, 1.6 + 0.45 * len(peers))
    rates, costs, latencies = figure.subplots(1, 3, sharey=True)
    _draw_rates(rates, peers)
    _draw_costs(costs, peers)
    _draw_latencies(latencies, peers, data["latency_rate"])
    rates.set_yticks(range(len(peers)), [peer["name"] for peer in peers])
    rates.invert_yaxis()
    for axes in (rates, costs, latencies):
        style.hide_grid_of_categories(axes)
    return figure


def _draw_rates(axes: Axes, peers: Sequence[PeerResult]) -> None:
    for row, peer in enumerate(peers):
        axes.barh(row, peer["commands_per_second"], color=style.SKY if row else style.BLUE, height=_HEIGHT)
        _write_beside(axes, row, peer["commands_per_second"])
    axes.set_title("commands a second")
    _make_room(axes, [peer["commands_per_second"] for peer in peers])


def _draw_costs(axes: Axes, peers: Sequence[PeerResult]) -> None:
    sums = []
    for row, peer in enumerate(peers):
        begin = 0.0
        for part, colour in _PARTS:
            width: float = peer["cpu_us"][part]  # type: ignore[literal-required]
            axes.barh(row, width, left=begin, color=colour, height=_HEIGHT, label=_label_once(row, part))
            begin += width
        _write_beside(axes, row, begin)
        sums.append(begin)
    axes.set_title("processor µs of one")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=8, columnspacing=1)
    _make_room(axes, sums)


def _draw_latencies(axes: Axes, peers: Sequence[PeerResult], rate: int) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.format_figure(value)))
    for row, peer in enumerate(peers):
        _draw_latency(axes, row, peer, rate)
    axes.set_title(f"ms, at {style.format_figure(rate)} a second")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=8, columnspacing=1)


def _draw_latency(axes: Axes, row: int, peer: PeerResult, rate: int) -> None:
    p50, p99 = peer["p50_ms"], peer["p99_ms"]
    if p50 is None or p99 is None:
        axes.text(0.03, row, "not held", transform=axes.get_yaxis_transform(), va="center", fontsize=9)
        return
    labels = (None, None) if row else ("p50", "p99")
    axes.plot([p50, p99], [row, row], color=style.MUTED, linewidth=2, zorder=1)
    axes.scatter([p50], [row], s=45, color=style.BLUE, zorder=2, label=labels[0])
    axes.scatter([p99], [row], s=45, marker="D", color=style.VERMILION, zorder=2, label=labels[1])
    if peer["latency_rate"] != rate:
        _write_text(axes, row, p99, f"at {peer['latency_rate']}", 8)


def _label_once(row: int, part: str) -> str | None:
    return None if row else _PART_NAMES[part]


def _write_beside(axes: Axes, row: int, value: float) -> None:
    _write_text(axes, row, value, style.format_figure(value), 4)


def _write_text(axes: Axes, row: int, value: float, text: str, points: float) -> None:
    """Write a text to the right of a value, at this distance in points."""
    axes.annotate(text, (value, row), (points, 0), textcoords="offset points", va="center", fontsize=9)


def _make_room(axes: Axes, values: Sequence[float]) -> None:
    """Leave room for the figures beside the longest bar."""
    axes.set_xlim(0, 1.25 * max(values))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.format_figure(value)))
    axes.locator_params(axis="x", nbins=4)
