import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

import cohost
from cohost import audit, http_reader, ids, tokens
from cohost_schemas import timestamps
from cohost_schemas.answers import CoHost, InvitationDetails, RoomSummary
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.invitation import Invitation
from stack import Stack
from stack.services import RunningServices

SECONDS = 60


@dataclass(frozen=True)
class RunningServices:
    """Running services, and clients for them."""

    kafka: str
    running: RunningServices

    def create_client(self, user: str, *, ops: bool = False, http: bool = True) -> cohost.Client:
        return cohost.Client(
            self.kafka,
            prefix=self.running.prefix,
            invitations_url=self.running.invitations_url if http else None,
            broadcast_url=self.running.broadcast_url if http else None,
            token=lambda: tokens.sign(self.running.jwt_secret, user, ops=ops),
            timeout=SECONDS,
        )


@pytest.fixture(scope="module")
async def services(stack: Stack) -> AsyncIterator[RunningServices]:
    async with stack.run_services(f"t{secrets.token_hex(4)}.") as running:
        yield RunningServices(stack.kafka_bootstrap_servers, running)


@pytest.fixture
async def alice(services: RunningServices) -> AsyncIterator[cohost.Client]:
    async with services.create_client("alice") as client:
        yield client


@pytest.fixture
async def room(alice: cohost.Client) -> str:
    """A live room hosted by alice."""
    room = f"room-{secrets.token_hex(4)}"
    await alice.set_room(RoomChanged(room_id=room, host_id="alice", status="live", title="Friday night"))
    for user in ("bob", "carol"):
        await alice.set_user(UserChanged(user_id=user, status="active", display_name=user.capitalize()))
    return room


async def send_invitation(alice: cohost.Client, room: str, user: str = "bob") -> Invitation:
    sent = await cohost.retry_until_known(
        lambda: alice.send_invitation(room, user, "alice", message="Come up!", label="Guitar"), SECONDS
    )
    return Invitation.model_validate(sent.data.model_dump())


def plain_invitation(details: InvitationDetails) -> Invitation:
    """Return an invitation without the names."""
    return Invitation.model_validate(details.model_dump())


async def test_an_invitation_from_sending_to_the_end_of_the_seat(
    alice: cohost.Client, services: RunningServices, room: str
) -> None:
    async with services.create_client("bob") as bob, bob.badges(room_id=room) as badges:
        sent = await send_invitation(alice, room)
        found = await bob.reads.invitation(sent.invitation_id)
        assert plain_invitation(found) == sent
        assert (found.room_title, found.inviter_name, found.user_name) == ("Friday night", None, "Bob")
        seen = (await bob.mark_invitation_seen(room, sent.invitation_id, "bob")).data
        assert seen.seen_at is not None
        accepted = (await bob.accept_invitation(room, sent.invitation_id, "bob")).data
        assert accepted.status == "accepted"
        assert await alice.reads.co_hosts(room) == (
            CoHost(
                user_id="bob",
                invitation_id=sent.invitation_id,
                since=accepted.updated_at,
                label="Guitar",
                order=1,
            ),
        )
        assert (await alice.arrange_stage(room, "alice", ["bob"])).data.user_ids == ("bob",)
        async with asyncio.timeout(SECONDS):
            while (badge := await anext(badges)).user_id != "bob":
                continue
        assert badge.data is not None
        assert badge.data.badge == "coHost"
        connect = await bob.reads.broadcast_data(room)
        assert (connect.role, connect.user_id, connect.livekit_room) == ("coHost", "bob", room)
        muted = (await alice.mute_co_host(room, "bob", "alice", "camera", hard=True)).data
        assert muted.hard
        stage = await alice.reads.stage(room)
        assert [
            (member.user_id, member.order, member.label, member.hard_muted) for member in stage.items
        ] == [
            ("alice", 0, None, ()),
            ("bob", 1, "Guitar", ("camera",)),
        ]
        left = (await bob.leave_stage(room, "bob")).data
        assert (left.user_id, left.reason) == ("bob", "left")


async def test_a_rejection_shows_the_conflicting_invitation(alice: cohost.Client, room: str) -> None:
    sent = await send_invitation(alice, room)
    with pytest.raises(cohost.Rejected) as raised:
        await alice.send_invitation(room, "bob", "alice")
    assert raised.value.reason == "already_invited"
    assert raised.value.current == sent


@pytest.mark.parametrize("http", [True, False])
async def test_a_command_repeated_much_later_gives_the_first_outcome(
    alice: cohost.Client, services: RunningServices, room: str, *, http: bool
) -> None:
    sent = await send_invitation(alice, room)
    accepting, repeating = ids.uuid7(), "repeated-" + secrets.token_hex(8)
    async with services.create_client("bob") as bob:
        first = await bob.accept_invitation(room, sent.invitation_id, "bob", command_id=accepting)
        with pytest.raises(cohost.Rejected, match="invitation_not_pending"):
            await bob.accept_invitation(room, sent.invitation_id, "bob", command_id=repeating)
    async with services.create_client("bob", http=http) as bob:
        again = await bob.accept_invitation(room, sent.invitation_id, "bob", command_id=accepting)
        with pytest.raises(cohost.Rejected, match="invitation_not_pending"):
            await bob.accept_invitation(room, sent.invitation_id, "bob", command_id=repeating)
    assert again == first


async def test_lists_fetch_all_pages(
    alice: cohost.Client, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_reader, "_PAGE_LIMIT", "2")
    sent = []
    for _ in range(5):
        sent.append(await send_invitation(alice, room))
        await alice.cancel_invitation(room, sent[-1].invitation_id, "alice")
    listed = [invitation async for invitation in alice.reads.room_invitations(room)]
    assert [found.invitation_id for found in listed] == [was.invitation_id for was in reversed(sent)]
    assert {found.status for found in listed} == {"cancelled"}


async def test_a_users_list_is_filtered(alice: cohost.Client, services: RunningServices, room: str) -> None:
    sent = await send_invitation(alice, room, "carol")
    async with services.create_client("carol") as carol:
        mine = [found async for found in carol.reads.user_invitations("carol", room_id=room)]
        others = [found async for found in carol.reads.user_invitations("carol", "expired", room_id=room)]
    assert ([plain_invitation(found) for found in mine], others) == ([sent], [])


async def test_an_invitation_is_not_sent_again_at_once(alice: cohost.Client, room: str) -> None:
    sent = await send_invitation(alice, room)
    with pytest.raises(cohost.Rejected, match="too_soon") as raised:
        await alice.resend_invitation(room, sent.invitation_id, "alice")
    assert raised.value.retry_at == timestamps.add_seconds(sent.sent_at, 10)
    assert raised.value.current == sent


async def test_rooms_are_read_one_by_one_and_by_ops_as_a_list(
    alice: cohost.Client, services: RunningServices, room: str
) -> None:
    await send_invitation(alice, room)
    summary = await alice.reads.room(room)
    assert summary == RoomSummary(
        room_id=room,
        host_id="alice",
        title="Friday night",
        status="live",
        open=True,
        max_co_hosts=5,
        pending=1,
        seats=0,
    )
    async with services.create_client("somebody", ops=True) as ops:
        async with contextlib.aclosing(ops.reads.rooms(host_id="alice")) as rooms:
            assert await anext(rooms) == summary
        assert [found async for found in ops.reads.rooms("closed", "alice")] == []


async def test_ops_read_why_a_user_is_not_eligible(
    alice: cohost.Client, services: RunningServices, room: str
) -> None:
    await alice.set_user(UserChanged(user_id="mallory", status="banned"))
    with pytest.raises(cohost.Rejected, match="user_not_eligible") as raised:
        await cohost.retry_until_known(lambda: alice.send_invitation(room, "mallory", "alice"), SECONDS)
    command_id = raised.value.command_id
    assert (await alice.reads.command(command_id)).detail is None
    async with services.create_client("somebody", ops=True) as ops:
        outcome = await ops.reads.command(command_id)
    assert (outcome.detail, outcome.actor_id) == ("banned", "alice")


async def test_a_refused_read_states_its_reason(
    alice: cohost.Client, services: RunningServices, room: str
) -> None:
    sent = await send_invitation(alice, room)
    async with services.create_client("eve") as eve:
        with pytest.raises(cohost.ProblemError) as raised:
            await eve.reads.invitation(sent.invitation_id)
        assert (raised.value.status, raised.value.reason) == (403, "forbidden")
        with pytest.raises(cohost.ProblemError, match="404 invitation_not_found"):
            await eve.reads.invitation("nothing")
        with pytest.raises(cohost.ProblemError, match="404 command_not_found"):
            await eve.reads.command("nothing")


async def test_the_outcome_of_a_command_can_be_read(alice: cohost.Client, room: str) -> None:
    sent = await send_invitation(alice, room)
    outcome = await alice.reads.command(sent.invitation_id)
    assert (outcome.outcome, outcome.events) == ("accepted", ("cohost.InvitationSent.v1",))
    assert outcome.invitation_id == sent.invitation_id


async def test_a_read_without_a_url_names_the_missing_setting(services: RunningServices) -> None:
    async with services.create_client("alice", http=False) as client:
        with pytest.raises(ValueError, match="broadcast_url"):
            await client.reads.stage("room")


async def test_the_audit_finds_no_violation_afterwards(
    alice: cohost.Client, services: RunningServices, room: str
) -> None:
    await send_invitation(alice, room)
    report = await audit.audit(services.kafka, services.running.prefix)
    assert report.violations == []
    assert report.outcomes == report.commands > 0
