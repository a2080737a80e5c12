"""The invitations processor: load a batch's rooms and users, decide its records, save the changes."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from messaging.database import Connection
from messaging.domain import InputRecord, InputTopic, OutputRecord, Rejection, Topology
from schemas import commands, envelope, facts, topics
from schemas.commands import SendInvitation
from schemas.facts import RoomChanged, UserChanged
from schemas.topics import Topic
from services.invitations import decider
from services.invitations.changes import Changes, Told
from services.invitations.memory import Memory
from services.invitations.needs import Needs, user_of
from services.invitations.stage import Happening, Stage
from services.invitations.state import Policy, User
from services.invitations.store import stages, users, writes

LAYOUT = Topology(
    name="invitations",
    source="/cohost/invitations",
    inputs=(
        InputTopic(topics.ROOMS, "facts", facts.ROOMS),
        InputTopic(topics.USERS, "facts", facts.USERS, key_field="user_id", shared=True),
        InputTopic(topics.INVITATION_COMMANDS, "commands", commands.INVITATIONS),
    ),
    outputs=(topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS, topics.INVITATION_DEAD_LETTERS),
    rejections=topics.INVITATION_REJECTIONS,
    dead_letters=topics.INVITATION_DEAD_LETTERS,
)

_SENDING = envelope.wire_type(SendInvitation.__name__)


class Invitations:
    """Decide the records of all lanes from cached stages; implements `messaging.processor.Processor`."""

    topology = LAYOUT

    def __init__(
        self, policy: Policy, memory: Memory | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy
        self._memory = memory if memory is not None else Memory()
        self._clock = clock

    def new_changes(self) -> Changes:
        """Return an empty set of changes for one batch."""
        return Changes()

    async def load(self, connection: Connection, records: Sequence[InputRecord]) -> None:
        """Load missing rooms, then the users and the closed and last invitations that the commands need."""
        memory = self._memory
        rooms = {incoming.key: incoming.lane for incoming in records if incoming.topic is not topics.USERS}
        missing = memory.touch(rooms)
        if missing:
            for room_id, stage in (await stages.load(connection, missing, rooms)).items():
                memory.add(room_id, stage)
        needs = Needs.of(records, memory.stages)
        if needs.invitations:
            await stages.add_closed(connection, needs.invitations)
        if needs.last:
            await stages.add_last(connection, needs.last)
        now = self._clock()
        if stale := memory.stale(needs.users, now):
            memory.learn(stale, await users.load(connection, stale), now)

    def decide(self, record: InputRecord, changes: Changes) -> Sequence[OutputRecord] | Rejection:
        """Decide one record, apply its events to the cached stage and record them in `changes`."""
        if record.topic is topics.INVITATION_COMMANDS:
            return self._command(record, changes)
        if record.topic is topics.ROOMS:
            return self._room(record, changes)
        self._user(record, changes)
        return ()

    def _command(self, incoming: InputRecord, changes: Changes) -> Sequence[OutputRecord] | Rejection:
        stage = self._memory.stages[incoming.key]
        user_id = user_of(incoming.data)
        user = self._memory.user(user_id) if user_id is not None else None
        outcome = decider.decide(incoming, stage, user, self._policy)
        if isinstance(outcome, Rejection):
            return outcome
        return _happened(outcome, stage, incoming, changes)

    def _room(self, incoming: InputRecord, changes: Changes) -> Sequence[OutputRecord]:
        stage = self._memory.stages[incoming.key]
        at, position = incoming.timestamp, incoming.offset
        if incoming.data is None:
            room, outcome = decider.room_gone(incoming.key, at, position, stage)
        else:
            room, outcome = decider.room_changed(cast("RoomChanged", incoming.data), at, position, stage)
        published = _happened(outcome, stage, incoming, changes)
        if room is not None:
            stage.enter(room)
            changes.rooms[incoming.key] = (incoming.lane, room)
        return published

    def _user(self, incoming: InputRecord, changes: Changes) -> None:
        fact = cast("UserChanged | None", incoming.data)
        user = (
            User("gone")
            if fact is None
            else User(fact.status, fact.can_receive_invitations, frozenset(fact.blocked_user_ids))
        )
        self._memory.tell(incoming.key, user, incoming.lane, self._clock())
        changes.users[incoming.key] = Told(incoming.lane, incoming.offset, user)

    def on_command_rejected(self, command_type: str, command_id: str, changes: Changes) -> None:
        """Remember a rejected `SendInvitation`: `save` finds out whether its id was used before."""
        if command_type == _SENDING:
            changes.refused.append(command_id)

    async def save(self, connection: Connection, changes: Changes) -> None:
        """Write the batch's changes. Raises `DuplicateCommands` for invitation ids that are stored."""
        await writes.save(connection, changes)

    def on_committed(self, changes: Changes) -> None:
        """Do nothing: no effect waits for the commit."""

    async def keys_not_updated_since(
        self, connection: Connection, topic: Topic, lane: int, offset: int
    ) -> Sequence[str]:
        """Return keys of rooms or users whose last fact lies before `offset`."""
        if topic is topics.ROOMS:
            return await stages.unseen(connection, lane, offset)
        return await users.unseen(connection, lane, offset)

    def evict_excess(self) -> None:
        """Evict what exceeds the cache's limits."""
        self._memory.trim()

    def drop_lanes(self, lanes: Collection[int]) -> None:
        """Drop these lanes from the cache."""
        self._memory.forget(lanes)

    async def on_lanes_acquired(self, lanes: Mapping[int, bool]) -> None:
        """Do nothing: the sweeper asks the pipeline for the owned lanes."""

    async def on_lanes_releasing(self, lanes: Collection[int]) -> None:
        """Do nothing: a late command of the sweeper is harmless, the room's owner decides it."""


def _happened(
    outcome: Sequence[Happening], stage: Stage, incoming: InputRecord, changes: Changes
) -> list[OutputRecord]:
    for event in outcome:
        stage.evolve(event, incoming.offset)
        changes.note(event, stage, incoming.offset)
    return [OutputRecord(topics.INVITATION_EVENTS, incoming.key, event) for event in outcome]
