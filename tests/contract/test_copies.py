"""Section 8: any number of copies of each service, invisible from outside."""

import asyncio

from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, WrittenRecord
from tests.contract.deployment import Deployment
from tests.contract.service_processes import run_services

ROOMS = 2


async def invite_repeatedly(client: ContractClient, user: str, until: asyncio.Event) -> list[WrittenRecord]:
    """Invite and cancel in a new room until the event is set."""
    room = await client.create_room()
    puts = []
    while not until.is_set():
        puts.append(await client.send_command("SendInvitation", room, userId=user, actorId=room.host))
        cancel = {"invitationId": puts[-1].id, "actorId": room.host}
        puts.append(await client.send_command("CancelInvitation", room, **cancel))
        await client.wait_for_outcome(puts[-1].id)
    return puts


async def test_copies_come_and_go_and_every_command_has_one_outcome(
    deployment: Deployment, client: ContractClient, people: People
) -> None:
    until = asyncio.Event()
    busy = [asyncio.create_task(invite_repeatedly(client, people.bob, until)) for _ in range(ROOMS)]
    try:
        async with run_services(deployment, "invitations", "broadcast"):
            await client.wait_for_outcome((await client.create_room()).fact.id)
    finally:
        until.set()
    for puts in await asyncio.gather(*busy):
        found = [await client.wait_for_outcome(put.id) for put in puts]
        names = [record.name for [record] in found]
        assert names == ["InvitationSent", "InvitationCancelled"] * (len(puts) // 2)
