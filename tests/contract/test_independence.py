"""The tests of this folder depend on the contract, not on the code."""

import ast
import sys
from pathlib import Path

import pytest

from tests.contract.murmur2 import murmur2

FOLDER = Path(__file__).parent
ALLOWED = {"aiokafka", "httpx", "jsonschema", "jwt", "livekit", "pytest", "tests"}


def imported_modules(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            assert node.level == 0
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_of_this_repository_is_imported(path: Path) -> None:
    modules = imported_modules(path.read_text())
    assert {module.split(".")[0] for module in modules} <= ALLOWED | sys.stdlib_module_names
    ours = {module for module in modules if module.split(".")[0] == "tests"}
    assert all(module.startswith("tests.contract") for module in ours)


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_hash_matches_apache_kafkas_own_tests(data: str, hashed: int) -> None:
    assert murmur2(data.encode()) == hashed % 2**32
