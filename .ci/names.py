"""Check names and folders: `names.py` fails if a rule is broken, `names.py --report` prints the figures.

- A public top-level name has at most two definitions in a package; each service counts as a package.
- A folder outside `tests/` has at most 14 Python files.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("cohost", "schemas", "messaging", "services", "stack", "demo", "bench", "ops")
MOST_DEFINITIONS = 2
MOST_FILES = 14

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def main() -> int:
    """Return the exit status."""
    files = [path for package in PACKAGES for path in sorted(Path(package).rglob("*.py"))]
    if sys.argv[1:] == ["--report"]:
        _report(files)
        return 0
    problems = [*_repeated_names(files), *_crowded_folders(files)]
    for problem in problems:
        print(problem)  # noqa: T201 - a command's output
    return 1 if problems else 0


def _repeated_names(files: list[Path]) -> Iterator[str]:
    places: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in files:
        for node in _definitions(path):
            if not node.name.startswith("_"):
                places[_package(path), node.name].append(path)
    for (package, name), where in sorted(places.items()):
        if len(where) > MOST_DEFINITIONS:
            yield f"{package}: {name} is defined {len(where)} times: {', '.join(map(str, where))}"


def _crowded_folders(files: list[Path]) -> Iterator[str]:
    for folder, count in sorted(Counter(path.parent for path in files).items()):
        if count > MOST_FILES:
            yield f"{folder}: {count} Python files, at most {MOST_FILES} are allowed"


def _report(files: list[Path]) -> None:
    """Print files, lines, and the share of one-word names among public functions and methods."""
    figures: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in files:
        names = _public_functions(path)
        for package in (_package(path), "all"):
            figures[package].update(
                files=1,
                lines=len(path.read_text().splitlines()),
                functions=len(names),
                one_word=sum("_" not in name for name in names),
            )
    for package, counts in figures.items():
        share = counts["one_word"] / max(1, counts["functions"])
        print(  # noqa: T201 - a command's output
            f"{package:22} {counts['files']:4} files {counts['lines']:6} lines"
            f" {counts['functions']:4} public functions {share:5.0%} of one word"
        )


def _package(path: Path) -> str:
    return "/".join(path.parts[:2]) if path.parts[0] == "services" and len(path.parts) > 2 else path.parts[0]  # noqa: PLR2004 - services/NAME/…


def _definitions(path: Path) -> list[Definition]:
    return [node for node in ast.parse(path.read_text()).body if isinstance(node, Definition)]


def _public_functions(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bodies = [tree.body, *(node.body for node in classes)]
    found = [node.name for body in bodies for node in body if isinstance(node, FUNCTIONS)]
    return [name for name in found if not name.startswith("_")]


if __name__ == "__main__":
    sys.exit(main())
