"""The caches weigh what they keep: long lists count, not only entries."""

import tracemalloc

from cohost_schemas.events import InvitationDeclined, InvitationSent
from services.invitations.domain.stage import Stage
from services.invitations.domain.state import User
from services.invitations.stage_cache import StageCache

MAX_BYTES = 20_000_000
BLOCKED_USERS = 200
HOST = "alice"
INVITATION = {
    "room_id": "room",
    "user_id": "bob",
    "invited_by": "alice",
    "sent_at": "2026-01-01T12:00:00.000Z",
    "expires_at": "2026-01-01T13:00:00.000Z",
    "updated_at": "2026-01-01T12:00:00.000Z",
}


def blocking_user(number: int, blocked: int = BLOCKED_USERS) -> User:
    """Return a user who blocks others, all of them with ids of the greatest length."""
    ids = [f"{number:0>4}-{other:0>59}" for other in range(blocked)]
    return User("active", blocked_user_ids=frozenset(ids))


def test_users_with_long_block_lists_take_bounded_memory() -> None:
    cache = StageCache(max_user_bytes=MAX_BYTES)
    tracemalloc.start()
    try:
        for batch in range(30):
            for number in range(50):
                user_id = f"user-{batch}-{number}"
                cache.apply_user_fact(user_id, blocking_user(batch * 50 + number), 0)
            cache.users.end_batch()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The last two batches stay beyond the limit.
    assert used < 1.3 * MAX_BYTES
    assert len(cache.users) > 400


def test_a_user_weighs_about_what_it_takes() -> None:
    for blocked in (0, 10, BLOCKED_USERS):
        cache = StageCache()
        tracemalloc.start()
        try:
            for number in range(200):
                cache.apply_user_fact(f"{number:0>64}", blocking_user(number, blocked), 0)
            used, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        estimated = sum(cached.estimate_bytes() for cached in cache.users.values())
        assert 0.7 * used < estimated < 1.5 * used


def test_a_user_from_a_fact_is_current_until_the_lane_is_lost() -> None:
    cache = StageCache()
    cache.put_users({"loaded": {HOST}}, {"loaded": (User("active"), 1)}, now=0.0)
    cache.apply_user_fact("read", User("active"), 1)
    wanted = {"loaded": {HOST}, "read": {HOST}}
    assert cache.expired_users(wanted, now=0.1) == {}
    assert cache.expired_users(wanted, now=3600.0) == {"loaded": {HOST}}
    cache.users.drop_lanes({1})
    assert cache.expired_users(wanted, now=3600.0) == wanted


def test_a_stage_weighs_its_closed_invitations_too() -> None:
    stage = Stage(0)
    for number in range(1000):
        sent = InvitationSent(**INVITATION, invitation_id=f"i-{number}", status="pending")
        stage.evolve(sent, number)
        stage.evolve(InvitationDeclined(**INVITATION, invitation_id=f"i-{number}", status="rejected"), number)
    stage.last_invitation_of.current.clear()
    assert stage.count_entries() == 1 + 1000
