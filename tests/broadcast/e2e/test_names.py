"""Display names of LiveKit participants: the `name` claim of the caller's token."""

import time
from typing import Any

import httpx
import jwt
import pytest

from tests.broadcast.e2e.scenario_steps import (
    LiveKitClients,
    is_livekit_unavailable,
    livekit_participants,
    open_room,
)
from tests.broadcast.e2e.service_under_test import JWT_SECRET, WAIT_SECONDS, ServiceUnderTest, wait_until


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({"name": ["Alice"]}, "", id="no string"),
        pytest.param({"name": "Alice Ñ"}, "Alice Ñ", id="short"),
        pytest.param({"name": "a" * 101}, "a" * 100, id="long"),
        pytest.param({"name": "é" * 101}, "é" * 100, id="two bytes each"),
        pytest.param({"name": "語" * 101}, "語" * 100, id="three bytes each"),
        pytest.param({"name": "🎤" * 101}, "🎤" * 100, id="four bytes each"),
    ],
)
async def test_a_participant_has_the_name_of_the_callers_token(
    service: ServiceUnderTest, clients: LiveKitClients, claims: dict[str, Any], name: str
) -> None:
    room_id = await open_room(service)
    token = jwt.encode({"sub": "alice", "exp": int(time.time()) + 300, **claims}, JWT_SECRET, "HS256")
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as client:
        url = f"http://127.0.0.1:{service.endpoints.http_port}/v1/rooms/{room_id}/broadcast-data"
        join_token = await wait_until(lambda: request_token(client, url, token))
    await clients.connect_user(service, room_id, "alice", token=join_token)
    assert (await livekit_participants(service, room_id))["alice"].name == name


async def request_token(client: httpx.AsyncClient, url: str, token: str) -> str | None:
    """Return a join token, None while LiveKit does not answer in time."""
    answer = await client.get(url, headers={"authorization": f"Bearer {token}"})
    return None if is_livekit_unavailable(answer) else str(answer.json()["token"])
