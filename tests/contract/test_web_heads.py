"""Section 5: every GET route answers HEAD, with the same status and headers and without a body."""

import re

import httpx
import pytest

from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.web_client import WebClient

VARYING = {"date", "content-length"}
"""Headers that may differ: an answer may have a new token, or numbers that change with each request."""


async def get_and_head(
    client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> tuple[httpx.Response, httpx.Response]:
    get, head = await client.get(path, headers=headers), await client.head(path, headers=headers)
    assert (head.status_code, head.content) == (get.status_code, b""), path
    assert int(head.headers["content-length"]) > 0 or get.content == b""
    kept = [{k: v for k, v in answer.headers.items() if k not in VARYING} for answer in (get, head)]
    assert kept[0] == kept[1], path
    return get, head


@pytest.mark.parametrize("broadcast", [False, True])
async def test_head_has_the_status_and_headers_of_get(
    web: WebClient, stage_driver: StageDriver, people: People, *, broadcast: bool
) -> None:
    http = web.broadcast if broadcast else web.invitations
    room = await stage_driver.open_room()
    document = (await http.get("/openapi.json")).json()
    paths = [path for path, operations in document["paths"].items() if "get" in operations]
    statuses = set()
    for path in [*paths, "/openapi.json", "/nowhere", "/livekit/webhook"]:
        known = path.replace("{roomId}", room.id).replace("{userId}", people.bob)
        for found in (known, path):
            filled = re.sub(r"\{.*?\}", "nothing", found)
            for headers in ({}, web.headers(people.bob), web.headers("ops", scope="cohost:ops")):
                get, _ = await get_and_head(http, filled, headers)
                statuses.add(get.status_code)
    assert {200, 401, 404} <= statuses


async def test_a_fixed_answers_head_has_its_length(web: WebClient) -> None:
    for http in (web.invitations, web.broadcast):
        for path in ("/healthz", "/openapi.json", "/asyncapi", "/nowhere", "/v1/commands/command"):
            get, head = await get_and_head(http, path, {})
            assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))
