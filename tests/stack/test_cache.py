"""What is built once is whole, or not there."""

import asyncio
from pathlib import Path

import pytest

from stack import cache


async def test_two_who_ask_at_once_build_it_once(tmp_path: Path) -> None:
    built: list[Path] = []

    async def build(target: Path) -> None:
        built.append(target)
        await asyncio.sleep(0)
        (target / "whole").touch()

    asked = [cache.obtain(tmp_path / "new", "thing", "making it", build) for _ in range(2)]
    assert await asyncio.gather(*asked) == [tmp_path / "new" / "thing"] * 2
    assert (len(built), (tmp_path / "new" / "thing" / "whole").exists()) == (1, True)


async def test_a_build_that_fails_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    async def fail(target: Path) -> None:
        (target / "half").touch()
        raise OSError

    async def build(target: Path) -> None:
        (target / "whole").touch()

    with pytest.raises(OSError):  # noqa: PT011 - the one above
        await cache.obtain(tmp_path, "thing", "making it", fail)
    folder = await cache.obtain(tmp_path, "thing", "making it", build)
    assert [path.name for path in folder.iterdir()] == ["whole"]


async def test_what_a_killed_builder_left_is_cleared_away(tmp_path: Path) -> None:
    async def build(target: Path) -> None:
        (target / "whole").touch()

    (tmp_path / ".thing-left").mkdir()
    await cache.obtain(tmp_path, "thing", "making it", build)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thing", "thing.lock"]
