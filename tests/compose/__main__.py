"""`python -m tests.compose`: run the tests of this folder on the containers and print the number passed."""

import sys
from pathlib import Path

import pytest


class _ResultCounter:
    """Counts test results; an error in setup or teardown counts as a failure."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed
        self.failed += report.failed


def main() -> int:
    """Run the tests and return pytest's exit status."""
    tally = _ResultCounter()
    status = pytest.main(["--compose", "-v", str(Path(__file__).parent)], plugins=[tally])
    print(f"{tally.passed} passed, {tally.failed} failed")  # noqa: T201 - the command's output
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
