"""These tests start every component themselves, without the run's shared servers."""

import os

import pytest


@pytest.fixture(autouse=True)
def _nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("COHOST_")]:
        monkeypatch.delenv(name)
