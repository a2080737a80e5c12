"""Section 8: any number of copies of each service, invisible from outside."""

import asyncio

from tests.stranger.client import Put, Stranger
from tests.stranger.conftest import People
from tests.stranger.place import Place
from tests.stranger.processes import running

ROOMS = 2


async def invite_again_and_again(client: Stranger, user: str, until: asyncio.Event) -> list[Put]:
    """Invite and cancel in a new room until the event is set."""
    room = await client.create_room()
    puts = []
    while not until.is_set():
        puts.append(await client.send("SendInvitation", room, userId=user, actorId=room.host))
        cancel = {"invitationId": puts[-1].id, "actorId": room.host}
        puts.append(await client.send("CancelInvitation", room, **cancel))
        await client.outcome(puts[-1].id)
    return puts


async def test_copies_come_and_go_and_every_command_has_one_outcome(
    deployment: Place, client: Stranger, people: People
) -> None:
    until = asyncio.Event()
    busy = [asyncio.create_task(invite_again_and_again(client, people.bob, until)) for _ in range(ROOMS)]
    try:
        async with running(deployment, "invitations", "broadcast"):
            await client.outcome((await client.create_room()).fact.id)
    finally:
        until.set()
    for puts in await asyncio.gather(*busy):
        found = [await client.outcome(put.id) for put in puts]
        names = [record.name for [record] in found]
        assert names == ["InvitationSent", "InvitationCancelled"] * (len(puts) // 2)
