"""HTTP answers for ops (contract, section 5): the services' state, from Postgres and Kafka."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from cohost_schemas.types import Count, Message, Timestamp
from cohost_schemas.types import StoredId as Id

ServiceName = Literal["invitations", "broadcast"]
StatePart = Literal["invitations", "broadcast", "kafka"]
"""The sources of the services' state: their databases, and Kafka's offsets and groups."""

PartName = Literal["gateway", "invitations", "broadcast", "kafka", "postgres", "livekit"]

Texts = Annotated[tuple[str, ...], Strict(strict=False)]
UnavailableParts = Annotated[tuple[StatePart, ...], Strict(strict=False)]


class StateOverview(Message):
    """The numbers of all lanes; one is null where a part that it comes from is unavailable.

    `takeovers` grows with each interruption, `lag` are records not read yet, over both services.
    """

    at: Timestamp
    rooms_open: Count | None = None
    pending: Count | None = None
    seats: Count | None = None
    connected: Count | None = None
    in_grace: Count | None = None
    out_of_sync: Count | None = None
    failing_grants: Count | None = None
    lag: Count | None = None
    outbox_batches: Count | None = None
    lanes: Count | None = None
    lanes_without_owner: Count | None = None
    takeovers: Count | None = None
    unavailable: UnavailableParts = ()


class LaneState(Message):
    """A lane of a service; `owner` is null where no live member of the consumer group has it.

    `lag` has the records not read yet by topic, without prefix. It and `owner` are null without Kafka.
    """

    service: ServiceName
    lane: Count
    owner: str | None = None
    epoch: Count
    lag: dict[str, Count] | None = None
    outbox_batches: Count


class LaneStates(Message):
    """The lanes of both services, by service and lane."""

    items: Annotated[tuple[LaneState, ...], Strict(strict=False)]
    unavailable: UnavailableParts = ()


class StageCondition(Message):
    """An open room's stage in numbers of users; `trouble` sorts stages.

    It adds 1000 for each failing grant, 100 for each co-host in grace or never connected, 10 for each poor
    quality and 1 for each user out of sync.
    """

    room_id: Id
    host_connected: bool
    seats: Count
    connected: Count
    in_grace: Count
    never_connected: Count
    poor_quality: Count
    out_of_sync: Count
    failing_grants: Count
    trouble: Count


class StageConditions(Message):
    """The stages of open rooms, the most trouble first, then by room id; none without broadcast."""

    items: Annotated[tuple[StageCondition, ...], Strict(strict=False)]
    unavailable: UnavailableParts = ()


class SystemPart(Message):
    """A part of the system; `detail` says what is wrong with it or describes it, null where unknown."""

    name: PartName
    version: str | None = None
    detail: str | None = None


class OpenCalls(Message):
    """The users and rooms for whom LiveKit is not yet as it should be, and how long the oldest waits."""

    calls_pending: Count | None = None
    oldest_pending_seconds: Annotated[float, Field(ge=0)] | None = None


class LastAudit(Message):
    """The report of `python -m cohost.audit`, with the first 100 violations."""

    at: Timestamp
    commands: Count
    outcomes: Count
    events: Count
    violations: Texts
    unchecked: Texts


class SystemState(Message):
    """The parts of the system, its open LiveKit calls, and the last audit if its report is configured."""

    items: Annotated[tuple[SystemPart, ...], Strict(strict=False)]
    contract_version: str
    live_kit: OpenCalls
    last_audit: LastAudit | None = None
