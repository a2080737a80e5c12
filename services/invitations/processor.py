"""The invitations processor: load a batch's rooms and users, decide its records, save the changes."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import cast

from cohost_schemas import envelope, topics
from cohost_schemas.commands import SendInvitation, ServiceCommand
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message, is_id
from messaging.database import Connection
from messaging.processor import InputRecord, OutputRecord, PartialDecision, RejectedCommand, Rejection
from services.invitations import domain
from services.invitations.domain.closures import has_too_many_pending
from services.invitations.domain.stage import Stage, StageEvent
from services.invitations.domain.state import Policy, User
from services.invitations.metrics import InvitationNumbers
from services.invitations.prefetch import BatchQueries, user_to_check
from services.invitations.stage_cache import StageCache
from services.invitations.store import stages, users, writes
from services.invitations.store.changes import BatchChanges, RoomUpdate, UserUpdate
from services.invitations.topology import TOPOLOGY

_SEND_INVITATION_TYPE = envelope.wire_type(SendInvitation.__name__)


class InvitationsProcessor:
    """Decide the records of all lanes from cached stages.

    It implements `CommandIdStore`, because a command's id becomes the invitation's, `FactStore`, and
    `CommitListener`, for `numbers`. The sweeper is no lane listener: it reads the owned lanes from the
    pipeline, and a command that it sends after losing a lane is harmless, because the lane's new owner
    decides it.
    """

    topology = TOPOLOGY

    def __init__(
        self,
        policy: Policy,
        cache: StageCache | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        numbers: InvitationNumbers | None = None,
    ) -> None:
        self._policy = policy
        self._cache = cache if cache is not None else StageCache()
        self._clock = clock
        self._numbers = numbers
        self.caches = (self._cache.stages, self._cache.users)

    def new_changes(self) -> BatchChanges:
        """Return an empty set of changes for one batch."""
        return BatchChanges()

    async def load(self, connection: Connection, records: Sequence[InputRecord]) -> None:
        """Load missing rooms, then the users and the closed and last invitations that the commands need."""
        cache = self._cache
        lanes_by_room = {record.key: record.lane for record in records if record.topic is not topics.USERS}
        missing = cache.mark_used(lanes_by_room)
        if missing:
            for room_id, stage in (await stages.load_stages(connection, missing, lanes_by_room)).items():
                cache.add_stage(room_id, stage)
        queries = BatchQueries.from_batch(records, cache.stages)
        if queries.closed_invitations:
            await stages.load_closed_invitations(connection, queries.closed_invitations)
        if queries.last_invitations:
            await stages.load_last_invitations(connection, queries.last_invitations)
        now = self._clock()
        if stale := cache.expired_users(queries.hosts_by_user, now):
            cache.put_users(stale, await users.load_users(connection, stale), now)

    def decide(self, record: InputRecord, changes: BatchChanges) -> Sequence[OutputRecord] | Rejection:
        """Decide one record, apply its events to the cached stage and record them in `changes`."""
        if record.topic is topics.INVITATION_COMMANDS:
            return self._decide_command(record, changes)
        if record.topic is topics.ROOMS:
            return self._apply_room_fact(record, changes)
        self._apply_user_fact(record, changes)
        return ()

    def _decide_command(
        self, record: InputRecord, changes: BatchChanges
    ) -> Sequence[OutputRecord] | Rejection:
        stage = self._cache.stages[record.key]
        user_id = user_to_check(record.data)
        user = self._cache.get_user(user_id) if user_id is not None else None
        decision = domain.decide_command(record, stage, user, self._policy)
        if isinstance(decision, Rejection):
            return Rejection("invalid_command") if _names_what_is_no_id(record.data) else decision
        return _apply_events(decision, stage, record, changes)

    def _apply_room_fact(self, record: InputRecord, changes: BatchChanges) -> Sequence[OutputRecord]:
        stage = self._cache.stages[record.key]
        at, position = record.timestamp, record.offset
        fact = cast("RoomChanged | None", record.data)
        if fact is None:
            room, events = domain.decide_room_deleted(record.key, at, position, stage)
        else:
            room, events = domain.decide_room_changed(fact, at, position, stage)
        is_partial = room is not None and not room.is_open and has_too_many_pending(stage)
        last_host = None if stage.room is None else stage.room.host_id
        published = _apply_events(events, stage, record, changes)
        if room is not None:
            if room.host_id != last_host:
                # The first event is a `StageChanged`.
                change = changes.add_host_change(record.key, room.host_id, at)
                published[0] = published[0]._replace(on_sequence=change.set_sequence)
            stage.set_room(room)
            title = None if fact is None else fact.title
            changes.rooms[record.key] = RoomUpdate(record.lane, room, at, title)
        return PartialDecision(published) if is_partial else published

    def _apply_user_fact(self, record: InputRecord, changes: BatchChanges) -> None:
        fact = cast("UserChanged | None", record.data)
        user = (
            User("gone")
            if fact is None
            else User(fact.status, fact.can_receive_invitations, frozenset(fact.blocked_user_ids))
        )
        self._cache.apply_user_fact(record.key, user, record.lane)
        name = None if fact is None else fact.display_name
        changes.users[record.key] = UserUpdate(record.lane, record.offset, user, name)

    async def find_used_ids(
        self, connection: Connection, commands: Sequence[RejectedCommand]
    ) -> Collection[str]:
        """Return the ids of rejected `SendInvitation` commands that an invitation has already."""
        sent_ids = [
            command.command_id for command in commands if command.command_type == _SEND_INVITATION_TYPE
        ]
        return await writes.find_stored_ids(connection, sent_ids) if sent_ids else ()

    async def save(self, connection: Connection, changes: BatchChanges) -> None:
        """Write the batch's changes. Raises `DuplicateCommands` for invitation ids that are stored."""
        await writes.save_changes(connection, changes)

    def on_committed(self, changes: BatchChanges) -> None:
        """Count the batch's events."""
        if self._numbers is not None:
            self._numbers.count_committed(changes.events)

    async def keys_not_updated_since(
        self, connection: Connection, topic: Topic, lane: int, offset: int
    ) -> Sequence[str]:
        """Return keys of rooms or users whose last fact lies before `offset`."""
        if topic is topics.ROOMS:
            return await stages.rooms_not_updated_since(connection, lane, offset)
        return await users.users_not_updated_since(connection, lane, offset)

    async def count_lost_in_use(self, connection: Connection, topic: Topic, lane: int, offset: int) -> int:
        """Return the number of open rooms or of active users whose last fact lies before `offset`."""
        if topic is topics.ROOMS:
            return await stages.count_open_not_updated_since(connection, lane, offset)
        return await users.count_active_not_updated_since(connection, lane, offset)


def _names_what_is_no_id(command: Message | None) -> bool:
    """Return whether a command names `.` or `..`, which only commands about stored rows may."""
    return isinstance(command, ServiceCommand) and not all(map(is_id, vars(command).values()))


def _apply_events(
    events: Sequence[StageEvent], stage: Stage, record: InputRecord, changes: BatchChanges
) -> list[OutputRecord]:
    published = []
    for event in events:
        correlation = stage.correlation_of(event)
        published.append(OutputRecord(topics.INVITATION_EVENTS, record.key, event, correlation=correlation))
        stage.evolve(event, record.offset, record.given_correlation)
        changes.record_event(event, stage, record.offset)
    return published
