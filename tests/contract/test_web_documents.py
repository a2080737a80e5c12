"""Section 5: the answers of both services are what their OpenAPI documents say."""

from typing import Any

import pytest

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import BROADCAST_COMMANDS, WrittenRecord
from tests.contract.published_schemas import validator_for
from tests.contract.web_client import WebClient


@pytest.fixture
async def seat(stage_driver: StageDriver, people: People) -> SeatedUser:
    """A seat, in a room with another invitation that is pending."""
    room = await stage_driver.open_room(title="Friday night")
    data = {"userId": people.carol, "actorId": room.host, "label": "Guitar", "message": "Come"}
    await stage_driver.client.send_accepted("SendInvitation", room, **data)
    return await stage_driver.seat_user(room, people.bob)


async def assert_documented(web: WebClient, route: str, path: str, user: str | None, **more: Any) -> None:
    """Compare an answer with the schema of its route, which must have its fields and no others."""
    client = web.broadcast if more.get("broadcast") else web.invitations
    document = (await client.get("/openapi.json")).json()
    answers = document["paths"][route]["get"]["responses"]
    schema = answers["200"]["content"]["application/json"]["schema"]
    body = await web.get_json(path, user, **more)
    validator_for({**schema, "components": closed_components(document)}).validate(body)


def closed_components(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document's components, whose objects may have no other properties and need all they have."""
    schemas = {
        name: {**schema, "additionalProperties": False, "required": list(schema["properties"])}
        if "properties" in schema
        else schema
        for name, schema in document["components"]["schemas"].items()
    }
    return {"schemas": schemas}


async def test_the_answers_about_rooms_and_invitations_are_documented(
    web: WebClient, seat: SeatedUser
) -> None:
    room = seat.room
    await assert_documented(web, "/v1/rooms", "/v1/rooms", None, ops=True, hostId=room.host)
    for user in (room.host, "anyone"):
        await assert_documented(web, "/v1/rooms/{roomId}", f"/v1/rooms/{room}", user)
    path = f"/v1/rooms/{room}/invitations"
    await assert_documented(web, "/v1/rooms/{roomId}/invitations", path, room.host)
    path = f"/v1/users/{seat.user}/invitations"
    await assert_documented(web, "/v1/users/{userId}/invitations", path, seat.user, status="any")
    await assert_documented(web, "/v1/rooms/{roomId}/co-hosts", f"/v1/rooms/{room}/co-hosts", "anyone")
    await assert_documented(web, "/v1/rooms/{roomId}/hosts", f"/v1/rooms/{room}/hosts", "anyone")
    path = f"/v1/rooms/{room}/users/{seat.user}/diagnosis"
    await assert_documented(web, "/v1/rooms/{roomId}/users/{userId}/diagnosis", path, room.host)
    path = f"/v1/invitations/{seat.invitation}"
    await assert_documented(web, "/v1/invitations/{invitationId}", path, room.host)
    await assert_outcomes_documented(web, seat.acceptance, seat.user)


async def assert_outcomes_documented(web: WebClient, put: WrittenRecord, actor: str, **more: Any) -> None:
    route, path = "/v1/commands/{commandId}", f"/v1/commands/{put.id}"
    await assert_documented(web, route, path, actor, **more)
    await assert_documented(web, route, path, None, ops=True, **more)


async def test_the_answers_of_broadcast_are_documented(
    web: WebClient, stage_driver: StageDriver, seat: SeatedUser
) -> None:
    room = seat.room
    path = f"/v1/rooms/{room}/stage"
    await assert_documented(web, "/v1/rooms/{roomId}/stage", path, "anyone", broadcast=True)
    route, path = "/v1/rooms/{roomId}/broadcast-data", f"/v1/rooms/{room}/broadcast-data"
    await assert_documented(web, route, path, seat.user, broadcast=True)
    route = "/v1/rooms/{roomId}/users/{userId}/diagnosis"
    path = f"/v1/rooms/{room}/users/{seat.user}/diagnosis"
    await assert_documented(web, route, path, seat.user, broadcast=True)
    mute = {"userId": seat.user, "actorId": room.host, "source": "camera"}
    put, _ = await stage_driver.client.send_accepted("MuteCoHost", room, topic=BROADCAST_COMMANDS, **mute)
    await assert_outcomes_documented(web, put, room.host, broadcast=True)


async def test_the_parameters_of_the_rooms_list_are_documented(web: WebClient) -> None:
    document = (await web.invitations.get("/openapi.json")).json()
    operation = document["paths"]["/v1/rooms"]["get"]
    parameters = {each["name"]: each["schema"] for each in operation["parameters"]}
    assert set(parameters) == {"status", "hostId", "limit", "cursor"}
    assert (parameters["status"]["enum"], parameters["status"]["default"]) == (
        ["open", "closed", "any"],
        "open",
    )
    assert set(operation["responses"]) >= {"200", "401", "403", "422"}
