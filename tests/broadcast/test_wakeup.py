"""What the reconciler is told to look at, and what it may stop looking for."""

from services.broadcast.wakeup import Wakeup


def test_what_is_saved_while_a_look_gives_up_is_still_expected() -> None:
    wakeup = Wakeup()
    wakeup.ring([(("room", "bob"), 1), (("room", "carol"), 2)])
    given_up = wakeup.expected()
    wakeup.ring([(("room", "bob"), 3), (("room", "dora"), 4)])
    wakeup.give_up(given_up)
    assert wakeup.expected() == {("room", "bob"): 3, ("room", "dora"): 4}


def test_what_is_to_be_looked_at_again_is_looked_at_once() -> None:
    wakeup = Wakeup()
    wakeup.again(("room", "bob"))
    wakeup.again(("room", "bob"))
    assert [wakeup.take_again(), wakeup.take_again()] == [{("room", "bob")}, set()]
