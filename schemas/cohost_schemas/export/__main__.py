"""Export the published JSON Schemas: `python -m cohost_schemas.export` writes, `--check` compares them."""

import argparse
import json
import sys
from pathlib import Path

from cohost_schemas.export import catalog, json_schema

JSON_FOLDER = Path(__file__).parents[2] / "json"


def schema_files() -> dict[str, str]:
    """Return the text of every schema file by file name."""
    documents = [
        json_schema.envelope_schema(),
        *(json_schema.schema_document(model) for model in catalog.PUBLISHED_MODELS),
    ]
    return {
        document["$id"]: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for document in documents
    }


def differing_files(folder: Path) -> list[str]:
    """Return the names of files that are outdated, missing or superfluous."""
    expected = schema_files()
    present = {path.name: path.read_text() for path in folder.glob("*.json")}
    return sorted(
        name for name in expected.keys() | present.keys() if expected.get(name) != present.get(name)
    )


def write_files(folder: Path) -> None:
    """Write the schemas to the folder and delete all other JSON files in it."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.json"):
        path.unlink()
    for name, text in schema_files().items():
        (folder / name).write_text(text)


def main(arguments: list[str]) -> int:
    """Write or compare the files and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cohost_schemas.export", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    if not parser.parse_args(arguments).check:
        write_files(JSON_FOLDER)
        return 0
    names = differing_files(JSON_FOLDER)
    for name in names:
        sys.stderr.write(
            f"{JSON_FOLDER.name}/{name} differs from the models: run python -m cohost_schemas.export\n"
        )
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
