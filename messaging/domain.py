"""What a service gives the pipeline, and what the pipeline hands to it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from messaging.database import Connection
from schemas.invitation import Invitation
from schemas.rejections import Reason
from schemas.topics import Topic
from schemas.types import Message

InputKind = Literal["facts", "events", "signals", "commands"]


@dataclass(frozen=True, slots=True)
class Input:
    """A topic that a service reads.

    A lane reads `facts` to their present end before its first command. Where unread `facts` or `signals` were
    deleted it reads what is left; where others were, it stops. `models` are the data types that the topic may
    carry, `key_field` names the field of the data that equals subject and key. `shared` facts matter to every
    lane, whichever lane reads them.
    """

    topic: Topic
    kind: InputKind
    models: tuple[type[Message], ...]
    key_field: str = "room_id"
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Which topics a service reads and writes. Within a batch, inputs are handled in the order given here."""

    name: str
    source: str
    inputs: tuple[Input, ...]
    outputs: tuple[Topic, ...]
    rejections: Topic
    dead_letters: Topic


class Incoming(NamedTuple):
    """One sound record: a command, a fact or an event; `data` is None for a tombstone.

    `id` is the CloudEvent's id (of a command: the command's id; of a tombstone:
    `<topic>:<partition>:<offset>`), `at` the broker's timestamp in the
    wire's form, `key` the room's or user's id.
    """

    lane: int
    topic: Topic
    offset: int
    at: str
    key: str
    id: str
    data: Message | None


class Event(NamedTuple):
    """A record to publish. Its wire type is the name of `data`'s class; `data` None is a tombstone.

    `subject` is the room's id, and the record's key where no other is given.
    """

    topic: Topic
    subject: str
    data: Message | None
    key: str | None = None


class Refusal(NamedTuple):
    """Why a command changes nothing. `current` is shown to whoever may see it."""

    reason: Reason
    current: Invitation | None = None


ChangesT = TypeVar("ChangesT")


class Repeated(Exception):  # noqa: N818 - it names what happened
    """These command ids had their outcome before: decide the batch again without them."""

    def __init__(self, ids: Collection[str]) -> None:
        super().__init__(f"{len(ids)} command ids had their outcome before")
        self.ids = frozenset(ids)


class Domain(Protocol[ChangesT]):
    """A service's part of the pipeline: what it knows in memory, how it decides, what it keeps.

    The pipeline calls, for one batch: `load`, then `decide` once per record in order, then `save` in the
    batch's transaction. The next batch may be loaded and decided while this one is being saved, so memory
    must keep what a batch touched until that batch is committed (`trim` says when something may go).
    """

    layout: Layout

    def changes(self) -> ChangesT:
        """Return an empty collection of what one batch changes."""
        ...

    async def load(self, connection: Connection, batch: Sequence[Incoming]) -> None:
        """Bring into memory whatever deciding this batch may ask for and memory lacks, in few queries."""
        ...

    def decide(self, incoming: Incoming, changes: ChangesT) -> Sequence[Event] | Refusal:
        """Decide one record, take its effect over into memory and note in `changes` what to keep.

        Facts and events return events only. A command returns at least one event, or a `Refusal`.
        """
        ...

    def refused(self, command_type: str, command_id: str, changes: ChangesT) -> None:
        """Take note of a command that is refused, decided or not: `save` may know it for a repeat."""
        ...

    async def save(self, connection: Connection, changes: ChangesT) -> None:
        """Write what the batch changed, inside the batch's transaction.

        Raises `Repeated` for commands whose id names something stored (an invitation, say).
        """
        ...

    def committed(self, changes: ChangesT) -> None:
        """Take note that a batch is committed with these changes, as `save` wrote them.

        A batch may be committed without it, when the answer to the COMMIT is lost.
        """
        ...

    async def unseen(self, connection: Connection, topic: Topic, lane: int, begin: int) -> Sequence[str]:
        """Return keys of a topic of facts that are stored, not gone, and last told of before this offset.

        Whoever deleted those records has forgotten the keys. Many may come in portions.
        """
        ...

    def trim(self) -> None:
        """Forget what is over the memory's bound, oldest first, sparing what the last two batches touched."""
        ...

    def forget(self, lanes: Collection[int]) -> None:
        """Forget all that is in memory of these lanes: it may not be what is stored."""
        ...

    async def taken(self, lanes: Mapping[int, bool]) -> None:
        """Take note of lanes that are ours now; the value says whether their last owner released them."""
        ...

    async def releasing(self, lanes: Collection[int]) -> None:
        """Finish or cancel every effect under way for lanes that are about to be given away."""
        ...
