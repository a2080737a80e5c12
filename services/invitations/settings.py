"""Settings of the invitations service, read from the environment (contract, section 8)."""

from typing import Annotated, Literal

from pydantic import Field

from services.invitations.domain.state import Policy
from services.runtime import settings


class InvitationsSettings(settings.ServiceSettings):
    """The settings that both services share, and those of invitations."""

    http_port: settings.Port = 8081
    unknown_users: Literal["reject", "accept"] = "reject"
    max_pending: Annotated[int, Field(ge=1, le=1000)] = 100

    def invitation_policy(self) -> Policy:
        """Return the operator's limits on invitations."""
        return Policy(self.unknown_users == "accept", self.max_pending)
