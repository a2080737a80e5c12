"""The repository's Markdown pages hold: no broken table, no link, test or file that does not exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs import markdown

_REPOSITORY = Path(__file__).parents[2]
_TESTS = _REPOSITORY / "tests"
_HAS_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_FOLDERS = [path for path in _REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith(".")]
_PAGES = sorted(
    page
    for page in (*_REPOSITORY.glob("*.md"), *(page for folder in _FOLDERS for page in folder.rglob("*.md")))
    if "node_modules" not in page.parts
)

every_page = pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_REPOSITORY)))


def link_faults(page: Path) -> Iterator[str]:
    for target in markdown.link_targets(page.read_text()):
        if _HAS_SCHEME.match(target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / unquote(path)).resolve() if path else page
        if not linked.exists() or not linked.is_relative_to(_REPOSITORY):
            yield f"{target}: no such file in the repository"
        elif anchor and (linked.suffix != ".md" or anchor not in markdown.anchors(linked.read_text())):
            yield f"{target}: no such heading"


def missing_tests(page: str) -> Iterator[str]:
    for named in markdown.named_tests(page):
        if not any(named.is_in(path.read_text()) for path in _TESTS.rglob(named.file)):
            yield f"{named.text}: no such test"


def test_the_pages_that_are_checked_include_the_contract_and_the_decisions() -> None:
    checked = {str(page.relative_to(_REPOSITORY)) for page in _PAGES}
    assert {"README.md", "ARCHITECTURE.md", "docs/contract.md", "docs/adr/README.md"} <= checked


@every_page
def test_every_table_row_has_as_many_cells_as_its_header(page: Path) -> None:
    assert markdown.table_faults(page.read_text()) == []


@every_page
def test_every_relative_link_points_to_a_file_or_heading(page: Path) -> None:
    assert list(link_faults(page)) == []


@every_page
def test_every_named_test_exists(page: Path) -> None:
    assert list(missing_tests(page.read_text())) == []


@pytest.mark.parametrize(
    ("table", "faults"),
    [
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", []),
        ("| a | b |\n|---|---|\n| 1 | `x\\|y` |", []),
        ("| a | b |\n|---|---|\n| 1 | `x|y` |", ["line 3: 3 cells, the header has 2"]),
        ("| a | b |\n|---|---|\n| 1 |", ["line 3: 1 cells, the header has 2"]),
        ("| a | b |\n|---|---|\n| 1 | |\ntext", ["line 4: 1 cells, the header has 2"]),
        ("| a | b |\n|---|\n", ["line 2: 1 cells, the header has 2"]),
        ("| a | b |\n| 1 | 2 |", ["line 1: no delimiter row after the table's header"]),
        ("text\n| a |", ["line 2: no delimiter row after the table's header"]),
        ("```\n| a | b |\n```", []),
    ],
)
def test_a_table_that_github_breaks_is_found(table: str, faults: list[str]) -> None:
    assert markdown.table_faults(table) == faults


def test_links_are_found_in_prose_and_not_in_code() -> None:
    page = "[a\nb](x.md#y) and `[c](d)`\n\n![i](j.png)\n\n```\n[e](f)\n```\n\n[g]: h.md\n"
    assert markdown.link_targets(page) == ["x.md#y", "j.png", "h.md"]


def test_images_in_html_are_found() -> None:
    page = '<picture>\n<source media="(dark)" srcset="a.png">\n<img alt="b"\n  src="c.png">\n</picture>\n'
    assert markdown.link_targets(page) == ["a.png", "c.png"]


def test_anchors_are_those_that_github_gives_headings() -> None:
    page = "# One, two\n## 3. `three_3` & four\n## Same\n## Same\n```\n# no heading\n```\n"
    assert markdown.anchors(page) == {"one-two", "3-three_3--four", "same", "same-1"}


def test_a_link_to_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}._REPOSITORY", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# Top\n[a](#top) [b](#bottom) [c](page.md#top) [d](gone.md) [e](..) [f](https://example.org/)\n"
    )
    assert list(link_faults(page)) == [
        "#bottom: no such heading",
        "gone.md: no such file in the repository",
        "..: no such file in the repository",
    ]


def test_a_missing_test_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}._TESTS", tmp_path)
    (tmp_path / "test_a.py").write_text('NAMES = ["after x"]\nasync def test_b() -> None:')
    page = (
        "`test_a.py` `tests/test_c.py` `test_a.py::test_b` `test_a.py::test` "
        "`test_a.py::test_b[after x]` `test_a.py::test_b[y]`"
    )
    assert list(missing_tests(page)) == [
        "tests/test_c.py: no such test",
        "test_a.py::test: no such test",
        "test_a.py::test_b[y]: no such test",
    ]
