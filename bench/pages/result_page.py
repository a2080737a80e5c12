"""The page of results: what stands between its markers is written from the files of results."""

import re
from pathlib import Path

from bench import results_file
from bench.pages import result_tables

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"

_MARKED = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def write_page(page: Path = PAGE, results: Path = results_file.RESULTS_FOLDER) -> Path:
    """Write the tables of all saved results into a page, and return it."""
    page.write_text(fill_page(page.read_text(), results))
    return page


def fill_page(text: str, results: Path = results_file.RESULTS_FOLDER) -> str:
    """Return a page with its tables; a result that was not saved leaves what is there."""

    def fill(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        result = results_file.read_result(name, results)
        if result is None:
            return found[0]
        # Without an empty line before it, the end would be a row of the table.
        return f"{begin}\n{result_tables.format_result(name, result)}\n\n{end}"

    return _MARKED.sub(fill, text)


def find_marked_results(text: str) -> list[str]:
    """Return the names of the results that a page has markers for."""
    return [name for _, name, _ in _MARKED.findall(text)]
