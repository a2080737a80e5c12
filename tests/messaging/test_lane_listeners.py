"""Effects hear of the worker's lanes in their order, each of what it listens to."""

from collections.abc import Collection, Mapping

from messaging.lanes.lane_listeners import LaneListeners


class Starter:
    def __init__(self, calls: list[tuple[str, object]]) -> None:
        self.calls = calls

    async def on_lanes_acquired(self, lanes: Mapping[int, bool]) -> None:
        self.calls.append(("started", dict(lanes)))


class Finisher:
    def __init__(self, calls: list[tuple[str, object]]) -> None:
        self.calls = calls

    async def on_lanes_releasing(self, lanes: Collection[int]) -> None:
        self.calls.append(("finished", list(lanes)))


class Both(Starter, Finisher):
    pass


async def test_each_listener_gets_the_calls_that_it_implements() -> None:
    calls: list[tuple[str, object]] = []
    listeners = LaneListeners([Starter(calls), Finisher(calls), Both(calls)])
    await listeners.notify_acquired({1: True})
    assert calls == [("started", {1: True})] * 2
    calls.clear()
    await listeners.notify_releasing([1])
    assert calls == [("finished", [1])] * 2
