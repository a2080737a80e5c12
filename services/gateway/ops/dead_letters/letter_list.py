"""Pages of dead letters, and single ones."""

from cohost_schemas.ops.dead_letters import DeadLetter, DeadLetterDetails, LetterReason, ServiceName
from services.runtime.http.pagination import ListPage
from services.runtime.http.problems import HttpProblem


class LetterList:
    """Reads dead letters for their requests."""

    async def read_page(
        self, service: ServiceName | None, reason: LetterReason | None, limit: int, cursor: str | None
    ) -> ListPage[DeadLetter]:
        """Return a page of dead letters, newest first."""
        raise HttpProblem(503, "unavailable", f"{service} {reason} {limit} {cursor}")

    async def read_details(self, letter_id: str) -> DeadLetterDetails:
        """Return a dead letter. Raises `HttpProblem` (404)."""
        raise HttpProblem(404, "dead_letter_not_found", letter_id)
