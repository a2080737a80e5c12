"""The published JSON Schemas: `python -m schemas.export` writes them, with `--check` it compares them."""

import argparse
import json
import sys
from pathlib import Path

from schemas import catalog, jsonschema

FOLDER = Path(__file__).parent / "json"


def files() -> dict[str, str]:
    """Return the text of every file by its name."""
    documents = [jsonschema.any_cloud_event(), *(jsonschema.document(model) for model in catalog.PUBLISHED)]
    return {
        document["$id"]: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for document in documents
    }


def differing(folder: Path) -> list[str]:
    """Return the names of files that are not as they should be, are missing, or are too many."""
    expected = files()
    present = {path.name: path.read_text() for path in folder.glob("*.json")}
    return sorted(
        name for name in expected.keys() | present.keys() if expected.get(name) != present.get(name)
    )


def write(folder: Path) -> None:
    """Make the folder hold the schemas and no other JSON."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.json"):
        path.unlink()
    for name, text in files().items():
        (folder / name).write_text(text)


def main(arguments: list[str]) -> int:
    """Write or compare, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m schemas.export", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file differs")
    if not parser.parse_args(arguments).check:
        write(FOLDER)
        return 0
    names = differing(FOLDER)
    for name in names:
        sys.stderr.write(f"{FOLDER.name}/{name} differs from the models: run python -m schemas.export\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
