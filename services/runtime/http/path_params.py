"""Path parameters for ids, with the contract's names; an invalid id gives 422."""

from typing import Annotated

from fastapi import Path

from cohost_schemas.types import Id

RoomId = Annotated[Id, Path(alias="roomId")]
UserId = Annotated[Id, Path(alias="userId")]
InvitationId = Annotated[Id, Path(alias="invitationId")]
