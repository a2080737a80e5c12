"""The keys that the reconciler has to check again."""

from services.broadcast.state import Member, Room
from services.broadcast.store import Pending
from services.broadcast.wakeup import Wakeup

ROOM = Room("room", 0, "alice", "", "live", open=True)


def test_the_last_committed_version_of_a_key_is_drained_once() -> None:
    dirty_keys = Wakeup()
    older, newer = Pending(ROOM, Member("bob", version=1)), Pending(ROOM, Member("bob", version=2))
    dirty_keys.ring([ROOM], [older])
    dirty_keys.ring([], [newer])
    assert dirty_keys.take() == ([ROOM], [newer])
    assert dirty_keys.take() == ([], [])


def test_a_stale_key_is_drained_once() -> None:
    dirty_keys = Wakeup()
    dirty_keys.again(("room", "bob"))
    dirty_keys.again(("room", "bob"))
    assert [dirty_keys.take_again(), dirty_keys.take_again()] == [[("room", "bob")], []]
