"""The interface between the pipeline and a service: its topology, its processor, and their records."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec
from pydantic import BaseModel

from cohost_schemas.envelope import Correlation
from cohost_schemas.rejections import RejectionReason
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging.database import Connection
from messaging.lanes.cache import LaneCache

InputKind = Literal["facts", "events", "signals", "commands"]


@dataclass(frozen=True, slots=True)
class InputTopic:
    """A topic that a service reads.

    A lane reads `facts` to their current end before its first command. If unread `facts` or `signals` were
    deleted, the lane continues with the remaining records; if unread records of another kind were deleted, it
    stops. `models` are the data types that the topic may carry; `key_field` names the field of the data that
    must equal subject and key. `shared` facts concern every lane, not only the lane that reads them.
    """

    topic: Topic
    kind: InputKind
    models: tuple[type[Message], ...]
    key_field: str = "room_id"
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """The topics that a service reads and writes. A batch handles its inputs in the order given here.

    `summarize_command` returns the values of `summary_fields` to store with a command's outcome, from the
    command and, if it is accepted, its events; `summarize_invalid_command` returns them from the data of a
    command that fits no model. The summary fields are columns of the table `outcomes`, and the fields of
    `CommandRejected` that follow `message`, in this order.
    """

    name: str
    source: str
    inputs: tuple[InputTopic, ...]
    outputs: tuple[Topic, ...]
    rejections: Topic
    dead_letters: Topic
    summary_fields: tuple[str, ...]
    summarize_command: Callable[[Message, Sequence[Message | None]], tuple[str | None, ...]]
    summarize_invalid_command: Callable[[Any], tuple[str | None, ...]]

    def input_names(self, prefix: str) -> list[str]:
        """Return the full names of the topics that the service reads."""
        return [entry.topic.full_name(prefix) for entry in self.inputs]

    def group_id(self, prefix: str) -> str:
        """Return the name of the service's consumer group."""
        return prefix + self.name


class InputRecord(msgspec.Struct, frozen=True):
    """One valid input record: a command, a fact, an event or a signal; `data` is None for a tombstone.

    `id` is the CloudEvent's id (for a command the command id, for a tombstone
    `<topic>:<partition>:<offset>`), `timestamp` the broker's timestamp as RFC 3339 text, and `key` the id of
    the room or user. `given_correlation` is None if the record has no correlation id and no trace.
    """

    lane: int
    topic: Topic
    offset: int
    timestamp: str
    key: str
    id: str
    data: Message | None
    given_correlation: Correlation | None = None

    @property
    def correlation(self) -> Correlation:
        """Return what the records that follow from this one carry, for a processor to store."""
        return self.given_correlation or Correlation(self.id)


class OutputRecord(NamedTuple):
    """A record to publish. Its wire type is the name of `data`'s class; without `data` it is a tombstone.

    `subject` is the room's id, and also the record's key unless `key` is given. `correlation` is that of the
    record that began what ends here, if it is another one than the cause. `on_sequence` is called with the
    record's sequence before the batch is saved, for a processor that stores it.
    """

    topic: Topic
    subject: str
    data: Message | None
    key: str | None = None
    correlation: Correlation | None = None
    on_sequence: Callable[[int], None] | None = None


class Rejection(NamedTuple):
    """The reason why a command is rejected.

    `current` is the current state of what the command refers to, if its sender may see it. `retry_at` is when
    the command can succeed at the earliest. `detail` is stored with the outcome and not published.
    """

    reason: RejectionReason
    current: BaseModel | None = None
    retry_at: str | None = None
    detail: str | None = None


class PartialDecision(tuple[OutputRecord, ...]):
    """The first records that a fact publishes: it is decided once more, in the next batch, for the others.

    A fact that changes very much is cut so, because a batch must fit a transaction and must not hold up the
    event loop.
    """

    __slots__ = ()


class RejectedCommand(NamedTuple):
    """A command that a batch rejects, whether the processor rejected it or it could not be read."""

    command_type: str
    command_id: str


ChangesT = TypeVar("ChangesT")
ChangesT_contra = TypeVar("ChangesT_contra", contravariant=True)


class DuplicateCommands(Exception):
    """Command ids that already have an outcome: the batch must be decided again without them."""

    def __init__(self, command_ids: Collection[str]) -> None:
        super().__init__(f"{len(command_ids)} command ids already have an outcome")
        self.command_ids = frozenset(command_ids)


class Processor(Protocol[ChangesT]):
    """A service's part of the pipeline: cached state, decisions, and storage.

    For one batch the pipeline calls `load`, then `decide` once per record in order, then `save` in the
    batch's transaction. The next batch may be loaded and decided while this one is being saved, so state that
    a batch touched must stay in memory until that batch is committed. Therefore a processor keeps its state
    in `caches`: the pipeline ends their batches, and drops the state of lanes that may differ from Postgres.

    Every processor implements these methods. A processor that needs more also implements `CommitListener`,
    `CommandIdStore` or `FactStore`. Effects that follow the worker's lanes are `lane_listeners` instead.
    """

    topology: Topology

    @property
    def caches(self) -> Sequence[LaneCache[Any]]:
        """Return the caches that hold all state between batches."""
        ...

    def new_changes(self) -> ChangesT:
        """Return an empty collection for the changes of one batch."""
        ...

    async def load(self, connection: Connection, records: Sequence[InputRecord]) -> None:
        """Load the state that deciding these records needs and the cache lacks, in few queries."""
        ...

    def decide(self, record: InputRecord, changes: ChangesT) -> Sequence[OutputRecord] | Rejection:
        """Decide one record, apply its effect to the cache, and add the rows to save to `changes`.

        Facts and events return output records only, perhaps as a `PartialDecision`. A command returns at
        least one output record, or a `Rejection`.
        """
        ...

    async def save(self, connection: Connection, changes: ChangesT) -> None:
        """Write the batch's changes inside its transaction.

        Raises `DuplicateCommands` for commands whose id is already stored, for example as a row's key.
        """
        ...


@runtime_checkable
class CommitListener(Protocol[ChangesT_contra]):
    """Implemented by a processor that hands committed work to background effects."""

    def on_committed(self, changes: ChangesT_contra) -> None:
        """Handle the commit of a batch with these changes, as `save` wrote them.

        It is not called for a batch whose COMMIT succeeded while the answer to it was lost.
        """
        ...


@runtime_checkable
class CommandIdStore(Protocol):
    """Implemented by a processor that keeps commands' ids as keys of its own rows.

    It may keep an id longer than the pipeline, which deletes old outcomes.
    """

    async def find_used_ids(
        self, connection: Connection, commands: Sequence[RejectedCommand]
    ) -> Collection[str]:
        """Return the ids under which an earlier command is stored: these commands are duplicates.

        Called inside the batch's transaction, before `save`. The commands that the batch accepts are checked
        by `save` itself, which inserts their rows.
        """
        ...


@runtime_checkable
class FactStore(Protocol):
    """Implemented by a processor that stores facts and must notice when their topic loses some.

    The pipeline decides tombstones for them if they are few, and stops otherwise. Without it, stored facts
    stay as they are.
    """

    async def keys_not_updated_since(
        self, connection: Connection, topic: Topic, lane: int, offset: int
    ) -> Sequence[str]:
        """Return stored, undeleted keys of a fact topic whose last record lies before `offset`.

        The records of those keys were deleted from the topic. A long list may be returned in portions: it is
        asked for again until it is empty.
        """
        ...

    async def count_lost_in_use(self, connection: Connection, topic: Topic, lane: int, offset: int) -> int:
        """Return the number of such keys in use: their tombstones would end something for a user."""
        ...
