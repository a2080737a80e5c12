"""Ids in paths, under the contract's names; one that breaks the id rule is an invalid request."""

from typing import Annotated

from fastapi import Path

from schemas.types import Id

RoomId = Annotated[Id, Path(alias="roomId")]
UserId = Annotated[Id, Path(alias="userId")]
InvitationId = Annotated[Id, Path(alias="invitationId")]
