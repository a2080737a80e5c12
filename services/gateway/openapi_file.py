"""Export the gateway's OpenAPI document: `python -m …openapi_file` writes, `--check` compares."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from services.gateway.app import build_gateway
from services.gateway.settings import GatewaySettings

OPENAPI_FILE = Path(__file__).parents[2] / "schemas" / "openapi" / "gateway.json"

# The document holds nothing of them; the environment's are not read.
_SETTINGS = {
    "jwt_secret": "a secret that no token is signed with",
    "invitations_url": "http://127.0.0.1",
    "broadcast_url": "http://127.0.0.1",
}


def openapi_text() -> str:
    """Return the text of the published document, which `/openapi.json` answers too."""
    document = asyncio.run(_build_document(GatewaySettings.model_validate(_SETTINGS)))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


async def _build_document(settings: GatewaySettings) -> dict[str, object]:
    # Nothing is connected until the service runs; the HTTP clients are closed all the same.
    service = await build_gateway(settings)
    try:
        return service.http.openapi()
    finally:
        for close in service.closers:
            await close()


def main(arguments: list[str]) -> int:
    """Write or compare the file and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.gateway.openapi_file", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file differs")
    text = openapi_text()
    if not parser.parse_args(arguments).check:
        OPENAPI_FILE.parent.mkdir(exist_ok=True)
        OPENAPI_FILE.write_text(text)
        return 0
    if OPENAPI_FILE.exists() and OPENAPI_FILE.read_text() == text:
        return 0
    sys.stderr.write(f"{OPENAPI_FILE.name} differs from the routes: run {parser.prog}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
