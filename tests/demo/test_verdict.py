"""The demo fails with a message if an expected event is missing."""

import pytest

from cohost_schemas.events import BadgeChanged
from demo import timeline
from demo.claims import Claim, ClaimList
from demo.timeline import NotObserved, ObservedEvent, Timeline

WORN = BadgeChanged(room_id="room-1", user_id="bob", badge="coHost", since="2026-01-01T12:00:00.000Z")


def test_a_broken_claim_is_named_and_marked() -> None:
    claims = ClaimList()
    for claim in Claim:
        if claim is not Claim.HEARD:
            claims.mark_verified(claim, "seen")
    assert claims.unverified == [Claim.HEARD]
    assert [line.split()[0] for right, line in claims.table() if not right] == ["NO"]


def test_a_complete_demo_has_no_broken_claim() -> None:
    claims = ClaimList()
    for claim in Claim:
        claims.mark_verified(claim, "seen")
    assert claims.unverified == []


async def test_an_event_that_does_not_come_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "_SECONDS", 0.01)
    with pytest.raises(NotObserved, match="no BadgeChanged bob badge=host"):
        await Timeline().wait_for_event("BadgeChanged", "bob", badge="host")


@pytest.mark.parametrize(
    ("name", "who", "fields", "matches"),
    [
        ("BadgeChanged", "bob", {"badge": "coHost"}, True),
        ("BadgeChanged", None, {}, True),
        ("BadgeChanged", "carol", {}, False),
        ("BadgeChanged", "bob", {"badge": "host"}, False),
        ("CoHostLeft", "bob", {}, False),
    ],
)
def test_an_event_is_known_by_name_person_and_fields(
    name: str, who: str | None, fields: dict[str, object], *, matches: bool
) -> None:
    assert ObservedEvent("BadgeChanged", "bob", WORN).is_match(name, who, fields) is matches
