"""Tables, links and headings of a Markdown page, as GitHub reads them."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

_FENCE = re.compile(r" *(?P<fence>```+|~~~+)")
_CODE_SPAN = re.compile(r"(?<!`)(?P<ticks>`+)(?!`)((?!\n\n).)+?(?<!`)(?P=ticks)(?!`)", re.DOTALL)
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_DELIMITER_CELL = re.compile(r" *:?-+:? *")
_INLINE_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?(?P<target>[^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_LINK_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]: *<?(?P<target>[^\s>]+)", re.MULTILINE)
_HTML_IMAGE = re.compile(r"<(?:img|source)\b[^>]*?\bsrc(?:set)?=\"(?P<target>[^\"\s]+)\"")
_HEADING = re.compile(r"^ {0,3}#{1,6} +(?P<title>.*?)(?: +#+)? *$", re.MULTILINE)
_HTML_ANCHOR = re.compile(r"<a (?:id|name)=\"(?P<anchor>[^\"]+)\"")
_MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
_NAMED_TEST = re.compile(
    r"`(?:[\w./]+/)?(?P<file>test_\w+\.py)(?:::(?P<name>test\w*)(?:\[(?P<parameters>[^\]`]+)\])?)?`"
)


class NamedTest(NamedTuple):
    """A test file that a page names, perhaps with a test in it and the id of its parameters."""

    text: str
    file: str
    name: str | None
    parameters: str | None

    def is_in(self, source: str) -> bool:
        """Return whether a file with this source has the test, and mentions the id of the parameters."""
        has_name = self.name is None or f"def {self.name}(" in source
        return has_name and (self.parameters is None or f'"{self.parameters}"' in source)


def table_faults(page: str) -> list[str]:
    """Return what is wrong with the page's tables, each with the line's number."""
    return [fault for table in _tables(page) for fault in _faults_of_table(table)]


def link_targets(page: str) -> list[str]:
    """Return the targets of all links and images, in any order."""
    prose = _CODE_SPAN.sub("code", _without_fences(page))
    patterns = (_INLINE_LINK, _LINK_DEFINITION, _HTML_IMAGE)
    return [found["target"] for pattern in patterns for found in pattern.finditer(prose)]


def named_tests(page: str) -> list[NamedTest]:
    """Return the tests that the page names in code spans."""
    return [
        NamedTest(found[0].strip("`"), found["file"], found["name"], found["parameters"])
        for found in _NAMED_TEST.finditer(page)
    ]


def anchors(page: str) -> set[str]:
    """Return the names that a link to this page may have after its `#`."""
    prose = _without_fences(page)
    seen: Counter[str] = Counter()
    found = {match["anchor"] for match in _HTML_ANCHOR.finditer(prose)}
    for heading in _HEADING.finditer(prose):
        anchor = _anchor(heading["title"])
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def _anchor(title: str) -> str:
    return _NOT_IN_ANCHORS.sub("", _MARKUP.sub(r"\1", title).lower()).replace(" ", "-")


def _without_fences(page: str) -> str:
    """Return the page with empty lines in place of fenced code, so that line numbers stay."""
    return "\n".join(_prose_lines(page.split("\n")))


def _prose_lines(lines: list[str]) -> Iterator[str]:
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        yield "" if fence or found else line
        if found and not fence:
            fence = found["fence"]
        elif found and found["fence"].startswith(fence):
            fence = ""


def _tables(page: str) -> Iterator[list[tuple[int, str]]]:
    """Yield each table's rows with their line numbers; only an empty line ends a table."""
    lines = enumerate(_without_fences(page).split("\n"), start=1)
    for is_text, block in groupby(lines, key=lambda line: bool(line[1].strip())):
        rows = list(block)
        first = next((i for i, (_, row) in enumerate(rows) if row.lstrip().startswith("|")), None)
        if is_text and first is not None:
            yield rows[first:]


def _faults_of_table(rows: list[tuple[int, str]]) -> Iterator[str]:
    (number, header), *rest = rows
    columns = len(_cells(header))
    if not rest or not all(_DELIMITER_CELL.fullmatch(cell) for cell in _cells(rest[0][1])):
        yield f"line {number}: no delimiter row after the table's header"
    for line, row in rest:
        if len(_cells(row)) != columns:
            yield f"line {line}: {len(_cells(row))} cells, the header has {columns}"


def _cells(row: str) -> list[str]:
    """Split a row at every pipe that is not escaped: GitHub does so in code spans too."""
    borders = _CELL_BORDER.split(row.strip())
    return borders[not borders[0] : len(borders) - (not borders[-1])]
