"""The parts of the system, from what the two services say of themselves and of what they stand on."""

from collections.abc import Iterable, Sequence
from typing import get_args

from cohost_schemas.ops.state import LastAudit, OpenCalls, PartName, SystemPart, SystemState
from services.runtime.asyncapi import API_VERSION
from services.runtime.version import VERSION

_NAMES: Sequence[PartName] = get_args(PartName)


def merge_systems(
    invitations: SystemState | None, broadcast: SystemState | None, last_audit: LastAudit | None
) -> SystemState:
    """Return all parts, each once."""
    parts = [
        SystemPart(name="gateway", version=VERSION),
        *(invitations.items if invitations else [SystemPart(name="invitations", detail="no answer")]),
        *(broadcast.items if broadcast else [SystemPart(name="broadcast", detail="no answer")]),
    ]
    return SystemState(
        items=tuple(_merge_part(name, [part for part in parts if part.name == name]) for name in _NAMES),
        contract_version=API_VERSION,
        live_kit=broadcast.live_kit if broadcast else OpenCalls(),
        last_audit=last_audit,
    )


def _merge_part(name: PartName, parts: Sequence[SystemPart]) -> SystemPart:
    """Return a part, given what each service says of it: the services may have servers of their own."""
    return SystemPart(
        name=name, version=_join(part.version for part in parts), detail=_join(part.detail for part in parts)
    )


def _join(texts: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(text for text in texts if text is not None)) or None
