"""What the service is told by its environment (contract, section 8)."""

from typing import Annotated, Literal

from pydantic import Field

from services.hosting import settings
from services.invitations.state import Policy


class Settings(settings.Settings):
    """The settings that only invitations has, besides those of both services."""

    http_port: settings.Port = 8081
    unknown_users: Literal["reject", "accept"] = "reject"
    max_pending: Annotated[int, Field(ge=1)] = 100

    def policy(self) -> Policy:
        """Return what the operator decides of invitations."""
        return Policy(self.unknown_users == "accept", self.max_pending)
