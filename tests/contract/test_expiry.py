"""Sections 3 to 5: invitations past their expiry."""

import pytest

from tests.contract import expected_data
from tests.contract.contract_client import ContractClient
from tests.contract.expiring_invitations import (
    LIFETIME_SECONDS,
    SWEEP_SECONDS,
    ExpiringCase,
    ExpiringInvitations,
)
from tests.contract.polling import TooLate, retry_when_late
from tests.contract.web_client import WebClient


@retry_when_late
async def test_an_overdue_invitation_is_closed_within_5_seconds(
    client: ContractClient, expiring: ExpiringInvitations
) -> None:
    for case in await expiring.unanswered_cases():
        [closing] = await expiring.wait_for_closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)
        assert case.expired["expiresAt"] <= closing.timestamp
        if closing.timestamp > case.sent.timestamp_after(LIFETIME_SECONDS + SWEEP_SECONDS):
            expiring.start_unanswered()
            msg = f"the invitation sent at {case.sent.timestamp} was closed at {closing.timestamp}"
            raise TooLate(msg)
        [command] = client.log.by_id[closing.event["causationid"]]
        assert (command.topic, command.name) == ("invitations.commands", "ExpireInvitation")
        assert command.data == {"roomId": case.room.id, "invitationId": case.sent.id}
        assert command.timestamp >= case.expired["expiresAt"]


def refusal_of(client: ContractClient, case: ExpiringCase) -> str:
    """Return the reason of a late command's rejection and its current invitation."""
    [found] = client.log.by_cause[case.cause]
    reason, current = found.data["reason"], found.data["current"]
    assert current == (case.pending if reason == "invitation_expired" else case.expired)
    return str(reason)


@pytest.mark.parametrize(
    "name",
    ["AcceptInvitation", "DeclineInvitation", "CancelInvitation", "ResendInvitation", "MarkInvitationSeen"],
)
async def test_an_overdue_invitation_cannot_be_answered_cancelled_or_renewed(
    client: ContractClient, expiring: ExpiringInvitations, name: str
) -> None:
    reasons = {refusal_of(client, case) for case in await expiring.cases_of(name)}
    # The service may have closed the invitation first now and then, but not always.
    assert "invitation_expired" in reasons
    assert reasons <= {"invitation_expired", "invitation_not_pending"}
    for case in await expiring.cases_of(name):
        [closing] = await expiring.wait_for_closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)


async def test_any_producer_may_expire_an_overdue_invitation(expiring: ExpiringInvitations) -> None:
    causes = []
    for case in await expiring.cases_of("ExpireInvitation"):
        [closing] = await expiring.wait_for_closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)
        causes.append(closing.event["causationid"] == case.cause)
    assert any(causes)


async def test_inviting_again_closes_the_overdue_invitation(
    client: ContractClient, expiring: ExpiringInvitations
) -> None:
    counts = set()
    for case in await expiring.cases_of("SendInvitation"):
        assert case.late_record is not None
        found = client.log.by_cause[case.cause]
        counts.add(len(found))
        again = expected_data.pending(
            case.late_record, case.room, case.user, previousInvitationId=case.sent.id
        )
        assert [(record.name, record.data) for record in found][-2:] in (
            [("InvitationExpired", case.expired), ("InvitationSent", again)],
            [("InvitationSent", again)],
        )
        assert len(await expiring.wait_for_closings(case)) == 1
    assert 2 in counts


@pytest.mark.parametrize("name", ["ended", "tombstone", "became_host"])
async def test_an_overdue_invitation_always_closes_as_expired(
    expiring: ExpiringInvitations, name: str
) -> None:
    causes = []
    for case in await expiring.cases_of(name):
        [closing] = await expiring.wait_for_closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)
        causes.append(closing.event["causationid"] == case.cause)
    assert any(causes)


async def test_a_ban_after_the_expiry_does_not_cancel_the_invitation(expiring: ExpiringInvitations) -> None:
    for case in await expiring.cases_of("banned"):
        [closing] = await expiring.wait_for_closings(case)
        assert (closing.name, closing.data) == ("InvitationExpired", case.expired)


async def test_an_overdue_invitation_reads_as_expired_over_http(expiring: ExpiringInvitations) -> None:
    case, (before, one, *lists, pending, pending_of_room) = await expiring.read
    expired = expected_data.over_http(case.expired)
    assert (before, one) == (expected_data.over_http(case.pending), expired)
    assert lists == [{"items": [expired], "nextCursor": None}] * 3
    assert pending == pending_of_room == {"items": [], "nextCursor": None}


async def test_an_outcome_of_two_events_names_both(
    web: WebClient, client: ContractClient, expiring: ExpiringInvitations
) -> None:
    for case in await expiring.cases_of("SendInvitation"):
        said = [record.event["type"] for record in client.log.by_cause[case.cause]]
        found = await web.get_json(f"/v1/commands/{case.cause}", case.room.host)
        assert (found["events"], found["invitationId"]) == (said, case.cause)
