"""Draw the plots of saved results into a folder, as `python -m bench plots` does."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench import results_file
from bench.plots import cost_plot, growth_plot, latency_plot, peers_plot, style

IMAGES_FOLDER = Path(__file__).parents[2] / "docs" / "images"

_PLOTS: Mapping[str, Callable[[Any], Figure]] = {
    "cost": cost_plot.draw_cost,
    "growth": growth_plot.draw_growth,
    "latency": latency_plot.draw_latency,
    "peers": peers_plot.draw_peers,
    "soak": growth_plot.draw_growth,
}


def draw_plots(results: Path = results_file.RESULTS_FOLDER, images: Path = IMAGES_FOLDER) -> list[Path]:
    """Draw each result that has a plot and was saved; return the files."""
    drawn = []
    with style.use_style():
        for name, draw in _PLOTS.items():
            found = results_file.read_result(name, results)
            if found is not None:
                path = images / f"bench-{name}.svg"
                style.write_svg(draw(found["data"]), path)
                drawn.append(path)
    return drawn
