import jwt
import pytest

from cohost import Position, ids, tokens
from cohost.commands import history

DAY_MS = 24 * 60 * 60 * 1000
NOW = 1_800_000_000_000


def id_made_at(milliseconds: int) -> str:
    """Return a UUIDv7 of the given time."""
    text = f"{milliseconds:012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-000000000000"


def test_a_position_survives_as_text() -> None:
    position = Position({("invitations.events", 0): 7, ("invitations.events", 11): 0, ("badges", 3): 12})
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "x", "W10=", "eyJhIjoxfQ==", "eyJhIjp7IngiOjF9fQ=="])
def test_a_malformed_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid position"):
        Position.parse(text)


def test_ids_grow_and_carry_their_time() -> None:
    first, second = ids.uuid7(), ids.uuid7()
    made_at = ids.made_at(first)
    assert made_at is not None
    assert made_at <= (ids.made_at(second) or 0)
    assert ids.made_at("order-17") is None
    assert ids.made_at("b6cf2a25-93c8-4d0c-9d17-7d6d2f1b58a4") is None


def test_the_outcome_search_starts_before_the_ids_time() -> None:
    assert history.earliest_ms(id_made_at(NOW - 1000), NOW) == NOW - 1000 - history.CLOCK_SKEW_MS


def test_the_outcome_search_covers_the_command_memory() -> None:
    assert history.earliest_ms("order-17", NOW) == NOW - 7 * DAY_MS


def test_the_outcome_search_reaches_back_to_an_id_of_any_age() -> None:
    assert (
        history.earliest_ms(id_made_at(NOW - 30 * DAY_MS), NOW) == NOW - 30 * DAY_MS - history.CLOCK_SKEW_MS
    )
    assert history.earliest_ms("00000000-0000-7000-8000-000000000000", NOW) == 0


def test_the_outcome_search_starts_before_now_for_ids_from_the_future() -> None:
    assert history.earliest_ms(id_made_at(NOW + DAY_MS), NOW) == NOW - history.CLOCK_SKEW_MS


def test_a_token_is_for_its_user_and_of_its_scope() -> None:
    secret = "a secret of thirty-two characters"
    token = jwt.decode(tokens.sign(secret, "alice", ttl=60), secret, ["HS256"])
    assert (token["sub"], token["exp"] - token["iat"], "scope" in token) == ("alice", 60, False)
    token = jwt.decode(tokens.sign(secret, "alice", ops=True), secret, ["HS256"])
    assert token["scope"] == "cohost:ops"
