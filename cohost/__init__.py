"""The Co-Host client: commands with outcomes, event and badge streams, HTTP reads, and the log audit.

Most programs need only `Client`. `cohost_schemas.events` lists the types that `Event.data` can have.

Names are imported when they are first used: the services use `cohost.kafka`, and need neither the HTTP client
nor the streams.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cohost.client import Client
    from cohost.commands.open_command import OpenCommand
    from cohost.commands.retry import retry_until_known
    from cohost.errors import NotConfirmed, OutcomeUnknown, PositionLost, ProblemError, Rejected
    from cohost.events import Accepted, Badge, Event, Position
    from cohost.streams import Stream

__all__ = [
    "Accepted",
    "Badge",
    "Client",
    "Event",
    "NotConfirmed",
    "OpenCommand",
    "OutcomeUnknown",
    "Position",
    "PositionLost",
    "ProblemError",
    "Rejected",
    "Stream",
    "retry_until_known",
]

# The client's module comes last, because it imports everything.
_MODULES = ("errors", "events", "streams", "commands.retry", "commands.open_command", "client")


def __getattr__(name: str) -> object:
    if name in __all__:
        for module_name in _MODULES:
            module = import_module(f"cohost.{module_name}")
            if name in vars(module):
                return vars(module)[name]
    msg = f"module 'cohost' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
