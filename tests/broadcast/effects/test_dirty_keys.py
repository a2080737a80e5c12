"""The keys that the reconciler has to check again."""

from services.broadcast.batch_changes import MemberInRoom
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import Member, MemberKey, Room

ROOM = Room("room", 0, "alice", "", "live", is_open=True)


def test_the_last_committed_version_of_a_key_is_drained_once() -> None:
    dirty_keys = DirtyKeys()
    older, newer = (
        MemberInRoom(ROOM, Member("bob", desired_version=1)),
        MemberInRoom(ROOM, Member("bob", desired_version=2)),
    )
    dirty_keys.wake_poller([ROOM], [older])
    dirty_keys.wake_poller([], [newer])
    assert dirty_keys.drain_committed() == ([ROOM], [newer])
    assert dirty_keys.drain_committed() == ([], [])


def test_a_stale_key_is_drained_once() -> None:
    dirty_keys = DirtyKeys()
    dirty_keys.mark_stale(MemberKey("room", "bob"))
    dirty_keys.mark_stale(MemberKey("room", "bob"))
    assert [dirty_keys.drain_stale(), dirty_keys.drain_stale()] == [[MemberKey("room", "bob")], []]
