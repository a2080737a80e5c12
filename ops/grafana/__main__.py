"""`python -m ops.grafana` writes the dashboards; with `--check` it fails if they are not as written."""

import argparse
import sys
from pathlib import Path

from ops.grafana.layout import build_page, encode_dashboard
from ops.grafana.pages import PAGES

FOLDER = Path(__file__).parent / "dashboards"


def main(argv: list[str] | None = None) -> int:
    """Write or check the files, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.grafana", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a file is outdated"
    )
    arguments = parser.parse_args(argv)
    texts = dashboard_files()
    outdated = {path for path in FOLDER.glob("*.json") if path not in texts}
    outdated |= {path for path, content in texts.items() if not path.exists() or path.read_text() != content}
    if arguments.check:
        for path in sorted(outdated):
            sys.stderr.write(f"{path} is outdated: run python -m ops.grafana\n")
        return 1 if outdated else 0
    for path in outdated:
        if path in texts:
            path.write_text(texts[path])
        else:
            path.unlink()
    return 0


def dashboard_files() -> dict[Path, str]:
    """Return the text of each file."""
    dashboards = map(build_page, PAGES)
    return {FOLDER / f"{found.uid}.json": encode_dashboard(found) for found in dashboards}


if __name__ == "__main__":
    sys.exit(main())
