"""The client's requests about one user: a diagnosis, and a report of quality."""

import json
from typing import Any

import httpx
import pytest

from cohost import http_reader
from cohost.http_reader import HttpReader
from cohost_schemas.answers import Diagnosis, DiagnosisStep

DIAGNOSED = Diagnosis(
    room_id="room:1",
    user_id="b@b",
    steps=(
        DiagnosisStep(step="seated", state="ok", at="2026-01-01T12:00:00.000Z"),
        DiagnosisStep(step="granted", state="failed", detail="grant_failed", advice="Look again."),
    ),
)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """The requests so far: method, URL and body."""
    found: list[tuple[str, str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        found.append((request.method, str(request.url), json.loads(request.content or b"null")))
        if request.method == "POST":
            return httpx.Response(202, json={})
        return httpx.Response(200, json=DIAGNOSED.model_dump(mode="json", by_alias=True))

    def create_client(url: str, timeout: float) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=url, timeout=timeout, transport=httpx.MockTransport(handle))

    monkeypatch.setattr(http_reader, "_create_client", create_client)
    return found


async def test_a_diagnosis_is_read(requests: list[tuple[str, str, Any]]) -> None:
    reader = HttpReader("http://gateway", None, None, 10)
    assert await reader.diagnosis("room:1", "b@b") == DIAGNOSED
    assert requests == [("GET", "http://gateway/v1/rooms/room%3A1/users/b%40b/diagnosis", None)]


async def test_a_quality_is_reported_to_broadcast(requests: list[tuple[str, str, Any]]) -> None:
    reader = HttpReader(None, "http://broadcast", None, 10)
    await reader.report_quality("room:1", "poor", 300)
    await reader.report_quality("room:1", "good")
    path = "http://broadcast/v1/rooms/room%3A1/stage/quality"
    assert requests == [
        ("POST", path, {"quality": "poor", "roundTripMs": 300}),
        ("POST", path, {"quality": "good", "roundTripMs": None}),
    ]
