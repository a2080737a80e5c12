"""These tests start everything themselves, whatever runs for the others."""

import os

import pytest


@pytest.fixture(autouse=True)
def _nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("COHOST_")]:
        monkeypatch.delenv(name)
