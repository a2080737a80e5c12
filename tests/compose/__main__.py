"""`python -m tests.compose`: brings the containers up, plays in them, and says last how many tests passed."""

import sys
from pathlib import Path

import pytest


class _Tally:
    """Counts what became of the tests; an error while setting up or taking down is a failure."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed
        self.failed += report.failed


def main() -> int:
    """Run the tests of this folder and return the exit status."""
    tally = _Tally()
    status = pytest.main(["--compose", "-v", str(Path(__file__).parent)], plugins=[tally])
    print(f"{tally.passed} passed, {tally.failed} failed")  # noqa: T201 - the verdict
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
