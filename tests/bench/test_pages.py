"""The page of results has the figures of the files of results."""

from pathlib import Path

import pytest

from bench import results_file
from bench.pages import result_page, result_tables
from tests.bench import example_results
from tests.docs import markdown

NAMES = ("cost", "drain", "grants", "growth", "latency", "peers")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with an example of each result that has a table."""
    for name in NAMES:
        data = getattr(example_results, f"{name}_data")()
        results_file.write_result(name, data, load_average=0.5, folder=tmp_path)
    return tmp_path


def test_the_page_agrees_with_the_saved_results() -> None:
    text = result_page.PAGE.read_text()
    assert result_page.fill_page(text) == text, "run python -m bench tables"


def test_the_page_has_markers_for_results_that_have_a_table() -> None:
    found = result_page.find_marked_results(result_page.PAGE.read_text())
    assert {"cost", "latency", "peers", "growth"} <= set(found) <= set(result_tables.RESULT_TABLES)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_written_between_its_markers_and_stays(results: Path, name: str) -> None:
    text = f"# Title\n\n<!-- results: {name} -->\n<!-- end of results -->\n\nAfter it.\n"
    filled = result_page.fill_page(text, results)
    assert markdown.table_faults(filled) == []
    assert filled.count("\n| ") > 2
    assert filled.endswith("\n<!-- end of results -->\n\nAfter it.\n")
    assert result_page.fill_page(filled, results) == filled


def test_a_result_that_was_not_saved_leaves_the_page_as_it_is(tmp_path: Path) -> None:
    text = "<!-- results: cost -->\nas before\n<!-- end of results -->\n"
    assert result_page.fill_page(text, tmp_path) == text


def test_a_rate_that_is_not_held_has_no_figures_in_the_table(results: Path) -> None:
    filled = result_page.fill_page("<!-- results: latency -->\n<!-- end of results -->\n", results)
    assert "| 100 | 8.9 | 35.6 | 43.5 | 20.2 | 80.8 | 98.9 | 0% of a processor |" in filled
    assert "| 8\u202f000 " not in filled
    assert filled.count("| - | - | - |") == 3


def test_grants_on_a_real_livekit_have_a_table_if_they_were_measured() -> None:
    found = result_tables.RESULT_TABLES["grants"](example_results.grants_data())
    assert "\n| 30 | 410 | 900 | 700 | 500 | 12 | 35.5 | 80 |" in found
    assert "real LiveKit" not in result_tables.RESULT_TABLES["grants"](
        {**example_results.grants_data(), "livekit": []}
    )
