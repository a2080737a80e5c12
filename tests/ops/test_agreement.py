"""The services' numbers, the exporter's and a recount of the log agree, whatever is killed."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

import cohost
from cohost_schemas import envelope, facts, ids, signals, topics
from cohost_schemas.partitions import partition_of
from stack import Stack
from tests.broadcast import fake_livekit
from tests.broadcast.domain.stage_builder import ALL_PERMISSIONS
from tests.broadcast.fake_livekit import FakeLiveKit
from tests.ops.business_samples import COUNTED, GAUGES, Samples
from tests.ops.observed_fleet import (
    EXPORTER,
    PARTITIONS,
    SECONDS,
    ObservedFleet,
    WatchedProcess,
    run_fleet,
)
from tests.ops.service_failpoints import AFTER_COMMIT, BEFORE_COMMIT, DECIDED

ROOMS = [f"room-{number}" for number in range(6)]


class Show:
    """Rooms with guests, and what LiveKit reports of them."""

    def __init__(
        self, client: cohost.Client, producer: AIOKafkaProducer, livekit: FakeLiveKit, prefix: str
    ) -> None:
        self.client = client
        self._producer = producer
        self._livekit = livekit
        self._prefix = prefix

    async def open_rooms(self) -> None:
        assert {partition_of(room, PARTITIONS) for room in ROOMS} == set(range(PARTITIONS))
        for room in ROOMS:
            await self.client.set_room(
                facts.RoomChanged(room_id=room, host_id="alice", status="live", max_co_hosts=50)
            )
        for room in ROOMS:
            await cohost.retry_until_known(lambda room=room: self._invite(room, "first"))

    async def _invite(self, room: str, user: str) -> str:
        sent = await self.client.send_invitation(room, user, "alice")
        return str(sent.data.invitation_id)

    async def invite_guests(self, turn: str) -> None:
        """Let a guest of each room accept, one decline, one wait; one is cancelled and one leaves again."""

        async def invite_in(room: str) -> None:
            accepted, declined, cancelled, left, _ = [
                await self._invite(room, f"{name}-{turn}")
                for name in ("guest", "shy", "cancelled", "short", "pending")
            ]
            await self.client.accept_invitation(room, accepted, f"guest-{turn}")
            await self.client.decline_invitation(room, declined, f"shy-{turn}")
            await self.client.cancel_invitation(room, cancelled, "alice")
            await self.client.accept_invitation(room, left, f"short-{turn}")
            await self.client.leave_stage(room, f"short-{turn}")

        await asyncio.gather(*map(invite_in, ROOMS))

    async def bring_on_air(self, turn: str) -> None:
        """Let each guest connect and publish; half of them are muted, the other half disconnect."""
        for number, room in enumerate(ROOMS):
            user, sid = f"guest-{turn}", f"PA_guest-{turn}"
            self._livekit.add_participant(room, user, can_publish=True)
            participant = signals.Participant(
                user_id=user,
                sid=sid,
                permissions=ALL_PERMISSIONS,
                badge="coHost",
                can_update_metadata=False,
                tracks=(),
            )
            track = signals.Track(sid="TR_1", source="camera", muted=False)
            await self._report(
                signals.ParticipantJoined(room_id=room, room_sid="RM_1", participant=participant)
            )
            await self._report(
                signals.TrackPublished(room_id=room, room_sid="RM_1", user_id=user, sid=sid, track=track)
            )
            await self._report(
                signals.EgressEnded(room_id=room, egress_id=f"EG_{turn}", status="complete", files=())
            )
            if number % 2:
                await self.client.mute_co_host(room, user, "alice", "microphone", hard=True)
            else:
                await self._report(
                    signals.ParticipantLeft(
                        room_id=room, room_sid="RM_1", user_id=user, sid=sid, reason="departed"
                    )
                )

    async def _report(self, signal: Any) -> None:
        event = envelope.build_cloud_event(
            type(signal).__name__, signal, event_id=ids.uuid7(), source="/tests", subject=signal.room_id
        )
        await self._producer.send_and_wait(
            topics.BROADCAST_SIGNALS.full_name(self._prefix),
            envelope.encode_event(event),
            key=signal.room_id.encode(),
            partition=partition_of(signal.room_id, PARTITIONS),
        )


@pytest.fixture
async def fleet(stack: Stack, tmp_path: Path) -> AsyncIterator[tuple[ObservedFleet, Show]]:
    async with (
        fake_livekit.serve_fake_livekit() as livekit,
        run_fleet(stack, livekit.url, tmp_path) as running,
    ):
        producer = AIOKafkaProducer(bootstrap_servers=running.kafka)
        client = cohost.Client(running.kafka, prefix=running.prefix, timeout=SECONDS)
        async with producer, client:
            show = Show(client, producer, livekit, running.prefix)
            await show.open_rooms()
            yield running, show


def only(samples: Samples, *names: str) -> Samples:
    return {sample: value for sample, value in samples.items() if sample[0] in names}


async def wait_equal(
    first: Callable[[], Coroutine[Any, Any, Samples]],
    second: Callable[[], Coroutine[Any, Any, Samples]],
    *names: str,
) -> Samples:
    """Wait until both count the same, and return that."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SECONDS
    while True:
        found, expected = only(await first(), *names), only(await second(), *names)
        if found == expected or loop.time() > deadline:
            assert found == expected
            return found
        await asyncio.sleep(0.1)


async def wait_on_air(fleet: ObservedFleet, seats: int) -> None:
    """Wait until so many seats have come on air, so that nothing is under way any more."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SECONDS
    while True:
        found = await fleet.recount()
        counts = [found.get(("cohost_seat_step_seconds_count", step)) for step in ("granted", "publishing")]
        if counts[1] == seats and (counts[0] or 0) >= seats:
            return
        assert loop.time() < deadline, found
        await asyncio.sleep(0.1)


async def test_all_counts_agree_whatever_is_killed(fleet: tuple[ObservedFleet, Show]) -> None:
    running, show = fleet
    first = await play_turn(running, show, 1)
    assert {sample[0] for sample in first} == {*COUNTED, *GAUGES} - {"cohost_quality_changes_total"}
    for turn, name in enumerate(("invitations", "broadcast"), 2):
        # What a killed copy served last is what Prometheus keeps of it.
        copy = running.any_copy(name)
        copy.arm(BEFORE_COMMIT)
        await play_turn(running, show, turn)
        await copy.wait_killed()
    stopped = running.any_copy("invitations")
    await running.start("invitations")
    await agree_after_a_fence(running, show, stopped)
    killed = running.any_copy("invitations")
    killed.arm(AFTER_COMMIT)
    await show.invite_guests("killed")
    await killed.wait_killed()
    await only_the_exporter_knows_all(running)


async def play_turn(running: ObservedFleet, show: Show, turn: int) -> Samples:
    """Play until nothing is under way, and return what all count."""
    await show.invite_guests(f"turn-{turn}")
    await show.bring_on_air(f"turn-{turn}")
    await wait_on_air(running, turn * len(ROOMS))
    await wait_equal(running.exporter, running.recount, *COUNTED, *GAUGES)
    return await wait_equal(running.services, running.recount, *COUNTED, *GAUGES)


async def agree_after_a_fence(running: ObservedFleet, show: Show, stopped: WatchedProcess) -> None:
    """Stop a copy with a decided batch until another one has decided it, and let it go on."""
    await wait_equal(running.services, running.recount, *GAUGES)
    stopped.arm(DECIDED, "SIGSTOP")
    inviting = asyncio.create_task(show.invite_guests("fenced"))
    await stopped.wait_reached(DECIDED)
    await inviting
    stopped.process.send_signal(signal.SIGCONT)
    await wait_equal(running.services, running.recount, *COUNTED, *GAUGES)


async def only_the_exporter_knows_all(running: ObservedFleet) -> None:
    """Kill the exporter, too: a killed copy's last counts are lost, but not those of now, nor the log."""
    exporter = running.any_copy(EXPORTER)
    exporter.process.kill()
    await exporter.wait_killed()
    await running.start(EXPORTER)
    await wait_equal(running.exporter, running.recount, *COUNTED, *GAUGES)
    await wait_equal(running.services, running.recount, *GAUGES)
