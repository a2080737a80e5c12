"""What the reconciler is told to look at."""

from services.broadcast.state import Member, Room
from services.broadcast.store import Pending
from services.broadcast.wakeup import Wakeup

ROOM = Room("room", 0, "alice", "", "live", open=True)


def test_the_last_committed_version_of_a_key_is_drained_once() -> None:
    wakeup = Wakeup()
    older, newer = Pending(ROOM, Member("bob", version=1)), Pending(ROOM, Member("bob", version=2))
    wakeup.ring([ROOM], [older])
    wakeup.ring([], [newer])
    assert wakeup.take() == ([ROOM], [newer])
    assert wakeup.take() == ([], [])


def test_a_stale_key_is_drained_once() -> None:
    wakeup = Wakeup()
    wakeup.again(("room", "bob"))
    wakeup.again(("room", "bob"))
    assert [wakeup.take_again(), wakeup.take_again()] == [[("room", "bob")], []]
