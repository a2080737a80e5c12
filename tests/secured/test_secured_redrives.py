"""With the ACLs of docs/operations.md a gateway reads dead letters, and writes their records."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from cohost import tokens
from cohost_schemas.partitions import partition_of
from tests.contract.polling import wait_until
from tests.secured.conftest import PARTITIONS, SecuredServices
from tests.secured.documented_acls import PREFIX
from tests.secured.secured_broker import SecuredBroker

PATH = "/v1/ops/dead-letters"


@pytest.fixture
async def ops(services: SecuredServices) -> AsyncIterator[httpx.AsyncClient]:
    await services.start_copy("gateway")
    token = tokens.sign(services.environment["COHOST_JWT_SECRET"], "olga", ops=True)
    headers = {"Authorization": f"Bearer {token}"}
    url = services.urls["gateway"]
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as web:
        yield web


async def write_misplaced_room(secured: SecuredBroker) -> str:
    """Write, as the platform, a room's fact to a partition where it does not belong; return the room's id."""
    room = f"room-{secrets.token_hex(4)}"
    data = {"roomId": room, "hostId": "alice", "status": "live"}
    event = {"specversion": "1.0", "id": room, "source": "/t", "type": "cohost.RoomChanged.v1"}
    value = json.dumps({**event, "subject": room, "data": data}).encode()
    wrong = (partition_of(room, PARTITIONS) + 1) % PARTITIONS
    options = secured.client_options("platform")
    async with AIOKafkaProducer(bootstrap_servers=secured.address, **options) as producer:
        await producer.send_and_wait(f"{PREFIX}rooms", value, key=room.encode(), partition=wrong)
    return room


async def test_a_gateway_with_its_principals_rights_redrives(
    secured: SecuredBroker, ops: httpx.AsyncClient
) -> None:
    room = await write_misplaced_room(secured)

    async def find() -> dict[str, Any] | None:
        items = (await ops.get(PATH)).json().get("items", [])
        return next((item for item in items if item["key"] == room), None)

    letter = await wait_until(find)
    details = (await ops.get(f"{PATH}/{letter['id']}")).json()
    assert (details["reason"], details["canRedrive"]) == ("wrong_partition", True)

    async def has_no_warning() -> bool:
        answer = await ops.post(f"{PATH}/{letter['id']}/redrive", json={"dryRun": True})
        return answer.is_success and answer.json()["warning"] is None

    # The search for newer facts needs a right of its own: without it there would always be a warning, as
    # there is where a search takes too long.
    await wait_until(has_no_warning, "a search for newer facts to its end")
    answer = await ops.post(f"{PATH}/{letter['id']}/redrive")
    assert answer.status_code == 200, answer.text
    assert answer.json()["written"]

    async def is_known() -> bool:
        return (await ops.get(f"/v1/rooms/{room}")).status_code == httpx.codes.OK

    await wait_until(is_known)
