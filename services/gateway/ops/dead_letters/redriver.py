"""Redrives of dead letters."""

from cohost_schemas.ops.dead_letters import RedriveManyRequest, RedriveRequest, RedriveResult, RedriveResults
from services.runtime.http.problems import HttpProblem


class Redriver:
    """Redrives dead letters for their requests."""

    async def redrive(self, letter_id: str, wanted: RedriveRequest, by: str) -> RedriveResult:
        """Redrive a dead letter. Raises `HttpProblem` (404, 413, 503)."""
        raise HttpProblem(404, "dead_letter_not_found", f"{letter_id} {wanted.dry_run} {by}")

    async def redrive_many(self, wanted: RedriveManyRequest, by: str) -> RedriveResults:
        """Redrive dead letters. Raises `HttpProblem` (413, 503)."""
        raise HttpProblem(503, "unavailable", f"{wanted.ids} {by}")
