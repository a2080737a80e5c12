"""What the services know of a key: whether it was used before, and by which command."""

import asyncio
from http import HTTPStatus
from typing import Literal, TypeVar

from pydantic import ValidationError

from cohost_schemas import commands
from cohost_schemas.answers import CommandOutcome, InvitationDetails
from cohost_schemas.types import CommandData, Message
from services.gateway.services import ServiceProxy
from services.runtime.http.problems import HttpProblem

_LOOK_UP_SECONDS = 2.0

ModelT = TypeVar("ModelT", bound=Message)
Absence = Literal["foreign", "unknown", "unavailable"]
"""The key is another user's, the service does not know it, or the service does not answer."""
EarlierUse = CommandOutcome | Absence


class EarlierUses:
    """Look keys up at the services, with the caller's own token."""

    def __init__(self, invitations: ServiceProxy, broadcast: ServiceProxy) -> None:
        self._invitations = invitations
        self._broadcast = broadcast

    async def find(self, data: CommandData, key: str, authorization: str) -> tuple[EarlierUse, EarlierUse]:
        """Return what the command's own service knows of the key, and what the other one does."""
        service = self._invitations if is_for_broadcast(data) else self._broadcast
        return await asyncio.gather(
            self.find_own(data, key, authorization),
            _look_up(CommandOutcome, service, authorization, "commands", key),
        )

    async def find_own(self, data: CommandData, key: str, authorization: str) -> EarlierUse:
        """Return what the command's own service knows of the key."""
        service = self._broadcast if is_for_broadcast(data) else self._invitations
        return await _look_up(CommandOutcome, service, authorization, "commands", key)

    async def find_invitation(self, key: str, authorization: str) -> InvitationDetails | Absence:
        """Return the invitation of this id, which outlives the outcome of its sending."""
        return await _look_up(InvitationDetails, self._invitations, authorization, "invitations", key)


def is_for_broadcast(data: CommandData) -> bool:
    """Return whether broadcast decides the command; otherwise invitations does."""
    return isinstance(data, commands.BROADCAST)


async def _look_up(
    model: type[ModelT], service: ServiceProxy, authorization: str, *path: str
) -> ModelT | Absence:
    try:
        answer = await service.look_up(authorization, "v1", *path, seconds=_LOOK_UP_SECONDS)
        if answer.status_code == HTTPStatus.OK:
            return model.model_validate_json(answer.content, by_alias=True, by_name=False)
    except (HttpProblem, ValidationError):
        return "unavailable"
    if answer.status_code == HTTPStatus.FORBIDDEN:
        return "foreign"
    return "unknown" if answer.status_code == HTTPStatus.NOT_FOUND else "unavailable"
