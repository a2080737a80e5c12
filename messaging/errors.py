"""What can go wrong in the pipeline, by what has to be done about it."""

import asyncpg
from aiokafka import errors as kafka


class StartRefused(Exception):  # noqa: N818 - it names what happened
    """Cluster, database or topics are not what this service may run on; the text is one line for a person."""


class Damaged(StartRefused):
    """Kafka's log and the database contradict each other: going on would mean guessing."""


class Fenced(Exception):  # noqa: N818 - Kafka's own word
    """Another worker owns the lane, or has moved it: nothing decided from here may be written."""


class Unavailable(Exception):  # noqa: N818 - it names what happened
    """A record could not be confirmed in time; sending the same again is safe."""


_OUTAGES = (
    Fenced,
    Unavailable,
    kafka.KafkaError,
    # aiokafka raises it instead of a KafkaError once a producer is in its fatal state.
    AssertionError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    # What asyncpg says of a connection that died between two steps of a statement.
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)


def worth_retrying(error: BaseException) -> bool:
    """Say whether the same may succeed later: an outage or a lost lane, and not a mistake in the program."""
    return isinstance(error, _OUTAGES) and not isinstance(error, StartRefused)
