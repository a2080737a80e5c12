"""Pages for browsers that are not built are named when the stack is started."""

from pathlib import Path

from stack.services import REPOSITORY, unbuilt_pages


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<!doctype html>")


def test_pages_without_a_built_file_are_named(tmp_path: Path) -> None:
    for folder in ("demo", "console"):
        write(tmp_path / folder / "index.html")
    (tmp_path / "client").mkdir()
    assert unbuilt_pages(tmp_path) == ["console", "demo"]
    write(tmp_path / "console" / "dist" / "index.html")
    assert unbuilt_pages(tmp_path) == ["demo"]


def test_the_repository_has_pages_to_build() -> None:
    assert (REPOSITORY / "web" / "demo" / "index.html").exists()
