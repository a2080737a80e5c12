"""A cached build is complete or absent."""

import asyncio
from pathlib import Path

import pytest

from stack import cache


async def test_two_concurrent_requests_build_once(tmp_path: Path) -> None:
    built: list[Path] = []

    async def build(target: Path) -> None:
        built.append(target)
        await asyncio.sleep(0)
        (target / "whole").touch()

    asked = [cache.build_once(tmp_path / "new", "thing", "making it", build) for _ in range(2)]
    assert await asyncio.gather(*asked) == [tmp_path / "new" / "thing"] * 2
    assert (len(built), (tmp_path / "new" / "thing" / "whole").exists()) == (1, True)


async def test_a_failed_build_leaves_nothing_and_can_be_retried(tmp_path: Path) -> None:
    async def fail(target: Path) -> None:
        (target / "half").touch()
        raise OSError

    async def build(target: Path) -> None:
        (target / "whole").touch()

    with pytest.raises(OSError):  # noqa: PT011 - the error raised above
        await cache.build_once(tmp_path, "thing", "making it", fail)
    folder = await cache.build_once(tmp_path, "thing", "making it", build)
    assert [path.name for path in folder.iterdir()] == ["whole"]


async def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    async def build(target: Path) -> None:
        (target / "whole").touch()

    (tmp_path / ".thing-left").mkdir()
    await cache.build_once(tmp_path, "thing", "making it", build)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thing", "thing.lock"]
