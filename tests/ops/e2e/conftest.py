from collections.abc import AsyncIterator

import pytest

from tests.ops.e2e.watched_show import WatchedShow, run_watched_show


@pytest.fixture(scope="package")
async def show(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WatchedShow]:
    """One show and one Prometheus for all tests of alerts, which run in their order."""
    async with run_watched_show(tmp_path_factory.mktemp("watched")) as running:
        yield running
