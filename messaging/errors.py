"""The pipeline's errors, and whether a retry may succeed after them."""

import asyncpg

from cohost.kafka.errors import UNAVAILABLE_ERRORS


class IncompatibleDeployment(Exception):
    """The cluster, database or topics do not fit this service. The text is one line for an operator.

    `setting` is the field of `Config` that may have to change, if there is one. Only the layer that reads
    settings knows the name under which an operator gives it.
    """

    def __init__(self, message: str, setting: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting


class LogMismatch(IncompatibleDeployment):
    """Kafka's log and the database contradict each other, so that continuing would mean guessing."""


class Fenced(Exception):
    """Another worker has acquired or advanced the lane: nothing that this worker decided may be written."""


class NotConfirmed(Exception):
    """A record was not confirmed in time; sending it again is safe."""


_TRANSIENT_ERRORS = (
    Fenced,
    NotConfirmed,
    *UNAVAILABLE_ERRORS,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    # asyncpg raises this for a connection that died between two steps of a statement.
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
)


def is_transient(error: BaseException) -> bool:
    """Return whether a retry may succeed: after an outage or a lost lane, but not after a bug."""
    return isinstance(error, _TRANSIENT_ERRORS)
