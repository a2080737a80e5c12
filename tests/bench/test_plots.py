"""Plots of results: they are valid, small, the same each time, and their text is text."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import results_file
from bench.plots import draw
from tests.bench import example_results

MOST_BYTES = 60_000
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with an example of each result that has a plot."""
    for name in ("cost", "growth", "latency", "peers"):
        results_file.write_result(name, getattr(example_results, f"{name}_data")(), folder=tmp_path)
    return tmp_path


def drawn_files(results: Path, images: Path) -> dict[str, bytes]:
    images.mkdir()
    return {path.name: path.read_bytes() for path in draw.draw_plots(results, images)}


def test_plots_are_valid_and_small(results: Path) -> None:
    drawn = drawn_files(results, results / "images")
    assert list(drawn) == [f"bench-{name}.svg" for name in ("cost", "growth", "latency", "peers")]
    for content in drawn.values():
        assert ET.fromstring(content).tag == f"{SVG}svg"  # noqa: S314 - we wrote it
        assert len(content) <= MOST_BYTES


def test_equal_results_are_equal_files(results: Path) -> None:
    assert drawn_files(results, results / "first") == drawn_files(results, results / "second")


def test_the_text_of_a_plot_is_text_in_any_font_without_serifs(results: Path) -> None:
    tree = ET.fromstring(drawn_files(results, results / "images")["bench-peers.svg"])  # noqa: S314 - we wrote it
    texts = list(tree.iter(f"{SVG}text"))
    assert {peer["name"] for peer in example_results.peers_data()["peers"]} <= {text.text for text in texts}
    assert all("sans-serif" in text.attrib["style"] for text in texts)


def test_a_result_that_was_not_saved_is_not_drawn(tmp_path: Path) -> None:
    assert draw.draw_plots(tmp_path, tmp_path) == []
