"""Section E, live streams: what a stranger, a host, a former host and a user see of the same events."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.contract_client import ContractClient, Room, new_id, unique_id
from tests.contract.event_stream import (
    EventStream,
    is_for_everyone,
    names_room,
    names_user,
    open_stream,
    published_events,
)
from tests.contract.gateway_client import GatewayClient
from tests.contract.livekit_participants import LiveKitServerApi, join_room
from tests.contract.polling import wait_until
from tests.contract.test_recordings import egress_ended
from tests.contract.topic_log import TopicRecord
from tests.contract.web_client import OPS

HOSTS_ONLY = {
    *("InvitationSent", "InvitationAccepted", "InvitationDeclined", "InvitationCancelled", "InvitationSeen"),
    *("GrantProvisioned", "GrantRevoked", "RecordingFinished", "IntruderRemoved"),
}
FOR_ALL = {
    *("StageChanged", "StageArranged", "CoHostLeft", "BadgeChanged", "BadgeRemoved", "HostConnected"),
    *("CoHostConnected", "CoHostDisconnected", "CoHostMediaChanged", "CoHostMuted"),
}


class Play:
    """Something of everything in one room."""

    def __init__(self, client: ContractClient, stage_driver: StageDriver, livekit: LiveKitServerApi) -> None:
        self.client = client
        self.stage_driver = stage_driver
        self.livekit = livekit
        self.begin = len(client.log.records)

    async def run(self, room: Room, user: str, decliner: str) -> SeatedUser:
        """Play: invite, decline, seat, connect, publish, mute, arrange, record, intrude, leave."""
        driver = self.stage_driver
        first, second = [await driver.invite_user(room, invited) for invited in (user, decliner)]
        await self.client.send_accepted("MarkInvitationSeen", room, invitationId=first, actorId=user)
        await self.client.send_accepted("DeclineInvitation", room, invitationId=second, actorId=decliner)
        again = await driver.invite_user(room, decliner)
        await self.client.send_accepted("CancelInvitation", room, invitationId=again, actorId=room.host)
        seat = await driver.accept_invitation(room, user, first)
        await driver.wait_for_badge(room, user)
        await self.client.send_accepted("ArrangeStage", room, actorId=room.host, userIds=[user])
        async with (
            join_room(await driver.get_broadcast_data(room, room.host)),
            join_room(await driver.get_broadcast_data(room, user)) as guest,
        ):
            await guest.publish_track("camera")
            await driver.wait_for_events(seat, "CoHostMediaChanged")
            await self._mute(room, user)
            await self._wait_for(room, "HostConnected")
            async with join_room(self.livekit.forged_broadcast_data(room.id, "mallory")):
                await self._wait_for(room, "IntruderRemoved")
        await driver.wait_for_events(seat, "CoHostDisconnected")
        await self.livekit.send_webhook(egress_ended(room.id, unique_id("EG")))
        await self._wait_for(room, "RecordingFinished")
        await self.client.send_accepted("LeaveStage", room, actorId=user)
        await driver.wait_for_revoked(seat)
        return seat

    async def _mute(self, room: Room, user: str) -> None:
        data = {"userId": user, "actorId": room.host, "source": "microphone", "hard": False}
        await self.client.send_accepted("MuteCoHost", room, topic="broadcast.commands", **data)

    async def _wait_for(self, room: Room, name: str) -> None:
        log = self.client.log
        await log.wait_until(lambda: log.records_of("broadcast.events", room.id, name), name)

    def records(self, *filters: Callable[[TopicRecord], bool]) -> list[TopicRecord]:
        outputs = ("invitations.events", "broadcast.events", "badges")
        found = [record for record in self.client.log.records[self.begin :] if record.topic in outputs]
        return [record for record in found if all(keep(record) for keep in filters)]


async def assert_streamed(stream: EventStream, expected: Callable[[], list[TopicRecord]]) -> set[str]:
    """Assert that a stream has exactly these events, each topic's in its order; return their names."""

    def is_whole() -> bool:
        return stream.by_topic() == published_events(expected())

    try:
        await wait_until(is_whole)
    except AssertionError:
        assert stream.by_topic() == published_events(expected())
    return set(stream.names())


async def test_each_reader_sees_what_is_for_it(
    gateway: GatewayClient,
    second_gateway: GatewayClient,
    client: ContractClient,
    stage_driver: StageDriver,
    livekit: LiveKitServerApi,
) -> None:
    room, other = await stage_driver.open_room(), await stage_driver.open_room()
    user, decliner, uninvolved = await asyncio.gather(*(client.create_user() for _ in range(3)))
    play = Play(client, stage_driver, livekit)
    path = f"/v1/rooms/{room}/stream"
    async with (
        open_stream(gateway, path, room.host) as host,
        open_stream(second_gateway, path, "ops", scope=OPS) as ops,
        open_stream(gateway, path, "stranger") as stranger,
        open_stream(gateway, path, user) as guest,
        open_stream(gateway, f"/v1/rooms/{other}/stream", other.host) as elsewhere,
        open_stream(gateway, f"/v1/users/{user}/stream", user) as of_user,
        open_stream(second_gateway, f"/v1/users/{decliner}/stream", decliner) as of_decliner,
        open_stream(gateway, f"/v1/users/{room.host}/stream", "ops", scope=OPS) as of_host,
        open_stream(gateway, f"/v1/users/{uninvolved}/stream", uninvolved) as of_uninvolved,
    ):
        await play.run(room, user, decliner)
        await stage_driver.close_room(room)

        def here(record: TopicRecord) -> bool:
            return names_room(record, room.id)

        for stream in (host, ops):
            names = await assert_streamed(stream, lambda: play.records(here))
            assert names >= HOSTS_ONLY | FOR_ALL
        for stream in (stranger, guest):
            names = await assert_streamed(stream, lambda: play.records(here, is_for_everyone))
            assert names >= FOR_ALL
            assert not any(
                name.startswith(("Invitation", "Grant", "Intruder", "Recording")) for name in names
            )
        for stream, who in ((of_user, user), (of_decliner, decliner), (of_host, room.host)):
            is_theirs = partial(names_user, user=who)
            await assert_streamed(stream, partial(play.records, here, is_theirs))
        assert set(of_user.names()) >= {
            "InvitationSeen",
            "GrantProvisioned",
            "CoHostMuted",
            "BadgeRemoved",
            "CoHostLeft",
        }
        assert set(of_decliner.names()) == {"InvitationSent", "InvitationDeclined", "InvitationCancelled"}
        assert set(of_host.names()) >= {"InvitationAccepted", "HostConnected", "BadgeRemoved"}
        assert (elsewhere.news, of_uninvolved.news) == ([], [])


async def test_rejections_are_on_no_stream(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room, user = await stage_driver.open_room(), await client.create_user()
    async with (
        open_stream(gateway, f"/v1/rooms/{room}/stream", "ops", scope=OPS) as of_room,
        open_stream(gateway, f"/v1/users/{user}/stream", user) as of_user,
    ):
        for _ in range(3):
            assert (await gateway.invite(room.id, user, room.host)).status_code == 403
        assert (await gateway.invite(room.id, room.host, user)).status_code == 201
        for stream in (of_room, of_user):
            await stream.wait_for("InvitationSent")
            assert stream.names() == ["InvitationSent"]


async def test_the_room_host_at_an_event_decides_whether_it_is_the_hosts_to_see(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    """Change the host back and forth between invitations, without a pause, and while streams are open."""
    room, second = await stage_driver.open_room(), unique_id("host")
    hosts = [room.host, second]
    path = f"/v1/rooms/{room}/stream"
    async with (
        open_stream(gateway, path, hosts[0]) as first_stream,
        open_stream(gateway, path, hosts[1]) as second_stream,
    ):
        expected: dict[str, list[str]] = {host: [] for host in hosts}
        for number in range(6):
            host = hosts[number % 2]
            if number:
                await client.change_room(room, hostId=host)
            for _ in range(3):
                user = await client.create_user()
                put, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=host)
                expected[host].append(put.id)
        for host, stream in zip(hosts, (first_stream, second_stream), strict=True):
            await stream.wait_for("InvitationSent", count=9)
            await stream.wait_for("StageChanged", count=5)
            sent = [event for event in stream.news if event.name == "InvitationSent"]
            assert [event.data["data"]["invitationId"] for event in sent] == expected[host]
    await assert_resumed_alike(gateway, path, hosts, expected, (first_stream, second_stream))


async def assert_resumed_alike(
    gateway: GatewayClient,
    path: str,
    hosts: list[str],
    expected: dict[str, list[str]],
    streams: tuple[EventStream, EventStream],
) -> None:
    """Assert that a stream read again later shows its reader the same events."""
    for host, before in zip(hosts, streams, strict=True):
        async with open_stream(gateway, path, host, after=before.ready.id) as again:
            await again.wait_for("InvitationSent", count=9)
            sent = [event for event in again.news if event.name == "InvitationSent"]
            assert [event.data["data"]["invitationId"] for event in sent] == expected[host]


async def test_a_former_host_sees_no_more_of_broadcast_but_what_was_before(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    """Grants are on another topic than the host's change: their time decides."""
    room, second = await stage_driver.open_room(), unique_id("host")
    path = f"/v1/rooms/{room}/stream"
    async with (
        open_stream(gateway, path, room.host) as old,
        open_stream(gateway, path, second) as new,
    ):
        before = await stage_driver.seat_user(room, await client.create_user())
        await stage_driver.wait_for_provisioned(before)
        await client.change_room(room, hostId=second)
        await stage_driver.wait_for_badge(room, second)
        now = Room(room.id, second, room.fact)
        after = await stage_driver.seat_user(now, await client.create_user())
        await stage_driver.wait_for_provisioned(after)
        await client.send_accepted("RemoveCoHost", room, userId=before.user, actorId=second)
        await stage_driver.wait_for_revoked(before)
        await new.wait_for("GrantRevoked")
        await old.wait_for("GrantProvisioned")
        await old.wait_for("CoHostLeft")
        await client.change_room(room, hostId=second, status="ended")
        for stream in (old, new):
            await stream.wait_for("StageChanged", count=2)

    def grants(stream: EventStream) -> list[tuple[str, Any]]:
        found = [event for event in stream.news if event.name.startswith("Grant")]
        return [(event.name, event.data["data"]["userId"]) for event in found]

    assert grants(old) == [("GrantProvisioned", before.user)]
    assert grants(new)[:2] == [("GrantProvisioned", after.user), ("GrantRevoked", before.user)]


async def test_an_inviter_keeps_the_stream_of_own_invitations(
    gateway: GatewayClient, client: ContractClient
) -> None:
    room, second, user = await client.create_room(), unique_id("host"), await client.create_user()
    async with open_stream(gateway, f"/v1/users/{room.host}/stream", room.host) as stream:
        put, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
        await client.change_room(room, hostId=second)
        await client.send_accepted("CancelInvitation", room, invitationId=put.id, actorId=second, id=new_id())
        await stream.wait_for("InvitationCancelled")
        names = [name for name in stream.names() if name.startswith("Invitation")]
        assert names == ["InvitationSent", "InvitationCancelled"]
