"""The number of HTTP connections follows from the number of descriptors."""

import pytest

from services.runtime.http import server


@pytest.mark.parametrize(
    ("descriptors", "limit"), [(64, 16), (256, 64), (1024, 256), (1_000_000, 1000), (-1, 1000)]
)
def test_a_quarter_of_the_descriptors_is_for_connections(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, limit: int
) -> None:
    monkeypatch.setattr(server.resource, "getrlimit", lambda _: (descriptors, -1))
    assert server.max_connections() == limit
