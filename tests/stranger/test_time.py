"""Sections 3 to 5: invitations past their expiry."""

import pytest

from tests.stranger import snapshots
from tests.stranger.client import Stranger
from tests.stranger.overdue import LASTS, SWEPT_WITHIN, Case, Overdue
from tests.stranger.web import Web


async def test_an_overdue_invitation_is_closed_within_5_seconds(client: Stranger, expiring: Overdue) -> None:
    for case in await expiring.left_alone():
        [closing] = await expiring.closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)
        assert case.expired["expiresAt"] <= closing.at <= case.sent.after(LASTS + SWEPT_WITHIN)
        [command] = client.log.by_id[closing.event["causationid"]]
        assert (command.topic, command.name) == ("invitations.commands", "ExpireInvitation")
        assert command.data == {"roomId": case.room.id, "invitationId": case.sent.id}
        assert command.at >= case.expired["expiresAt"]


def refused(client: Stranger, case: Case) -> str:
    """Return the reason of a late command's rejection and its current invitation."""
    [found] = client.log.by_cause[case.cause]
    reason, current = found.data["reason"], found.data["current"]
    assert current == (case.pending if reason == "invitation_expired" else case.expired)
    return str(reason)


@pytest.mark.parametrize("name", ["AcceptInvitation", "DeclineInvitation", "CancelInvitation"])
async def test_an_overdue_invitation_cannot_be_answered_or_cancelled(
    client: Stranger, expiring: Overdue, name: str
) -> None:
    reasons = {refused(client, case) for case in await expiring.cases(name)}
    # The service may have closed the invitation first now and then, but not always.
    assert "invitation_expired" in reasons
    assert reasons <= {"invitation_expired", "invitation_not_pending"}
    for case in await expiring.cases(name):
        [closing] = await expiring.closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)


async def test_any_producer_may_expire_an_overdue_invitation(expiring: Overdue) -> None:
    causes = []
    for case in await expiring.cases("ExpireInvitation"):
        [closing] = await expiring.closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)
        causes.append(closing.event["causationid"] == case.cause)
    assert any(causes)


async def test_inviting_again_closes_the_overdue_invitation(client: Stranger, expiring: Overdue) -> None:
    counts = set()
    for case in await expiring.cases("SendInvitation"):
        assert case.late is not None
        found = client.log.by_cause[case.cause]
        counts.add(len(found))
        again = snapshots.pending(case.late, case.room, case.user, previousInvitationId=case.sent.id)
        assert [(record.name, record.data) for record in found][-2:] in (
            [("InvitationExpired", case.expired), ("InvitationSent", again)],
            [("InvitationSent", again)],
        )
        assert len(await expiring.closings(case)) == 1
    assert 2 in counts


@pytest.mark.parametrize("name", ["ended", "tombstone", "became_host"])
async def test_an_overdue_invitation_always_closes_as_expired(expiring: Overdue, name: str) -> None:
    causes = []
    for case in await expiring.cases(name):
        [closing] = await expiring.closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)
        causes.append(closing.event["causationid"] == case.cause)
    assert any(causes)


async def test_a_ban_after_the_expiry_does_not_cancel_the_invitation(expiring: Overdue) -> None:
    for case in await expiring.cases("banned"):
        [closing] = await expiring.closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)


async def test_an_overdue_invitation_reads_as_expired_over_http(expiring: Overdue) -> None:
    case, (before, one, *lists, pending, pending_of_room) = await expiring.read
    assert (before, one) == (case.pending, case.expired)
    assert lists == [{"items": [case.expired], "nextCursor": None}] * 3
    assert pending == pending_of_room == {"items": [], "nextCursor": None}


async def test_an_outcome_of_two_events_names_both(web: Web, client: Stranger, expiring: Overdue) -> None:
    for case in await expiring.cases("SendInvitation"):
        said = [record.event["type"] for record in client.log.by_cause[case.cause]]
        found = await web.json(f"/v1/commands/{case.cause}", case.room.host)
        assert (found["events"], found["invitationId"]) == (said, case.cause)
