"""The cache keeps what uncommitted batches used, evicts the least recently used first, and drops lanes."""

from hypothesis import given
from hypothesis import strategies as st

from messaging.lanes.cache import LaneCache

LANE, OTHER_LANE = 0, 1
KEYS = "abcdefgh"


def run_batch(cache: LaneCache[str], *keys: str, lane: int = LANE) -> list[str]:
    """Use the keys in one batch as a processor does; return those that were missing."""
    missing = cache.mark_used(keys)
    for key in missing:
        cache.put(key, lane, key.upper())
    cache.end_batch()
    return missing


def test_used_states_are_found_again_and_missing_ones_named() -> None:
    cache = LaneCache[str](10)
    assert run_batch(cache, "a", "b") == ["a", "b"]
    assert cache.mark_used(["b", "c"]) == ["c"]
    assert dict(cache) == {"a": "A", "b": "B"}
    assert (cache.get("b"), cache.get("c"), "a" in cache, len(cache)) == ("B", None, True, 2)


def test_the_least_recently_used_states_are_evicted_first() -> None:
    cache = LaneCache[str](3)
    for key in "abc":
        run_batch(cache, key)
    run_batch(cache, "a")
    run_batch(cache, "d")
    assert list(cache) == ["c", "a", "d"]
    run_batch(cache, "c")
    run_batch(cache, "e")
    assert list(cache) == ["d", "c", "e"]


def test_replacing_a_state_counts_as_its_use() -> None:
    cache = LaneCache[str](2)
    run_batch(cache, "a")
    run_batch(cache, "b")
    cache.put("a", LANE, "A2")
    run_batch(cache, "c")
    run_batch(cache, "d")
    run_batch(cache, "d")
    assert dict(cache) == {"c": "C", "d": "D"}
    cache.put("c", LANE, "C2")
    assert list(cache.items()) == [("d", "D"), ("c", "C2")]


def test_the_last_two_batches_exceed_the_limit_until_two_more_have_ended() -> None:
    cache = LaneCache[str](0)
    run_batch(cache, *"abc")
    run_batch(cache, *"de")
    assert list(cache) == list("abcde")
    run_batch(cache, "f")
    assert list(cache) == list("def")
    run_batch(cache)
    assert list(cache) == ["f"]
    run_batch(cache)
    assert list(cache) == []


def test_states_that_grow_in_place_are_weighed_after_each_batch_using_them() -> None:
    cache = LaneCache[list[int]](4, len)
    cache.put("a", LANE, [1])
    cache.end_batch()
    for key in "bc":
        cache.put(key, LANE, [1])
        cache.end_batch()
    cache.mark_used(["c"])
    cache["c"].extend([2, 3])
    cache.end_batch()
    assert list(cache) == ["b", "c"]
    cache.discard("c")
    for _ in range(2):
        cache.end_batch()
    assert list(cache) == ["b"]


def test_dropping_lanes_spares_others_and_frees_their_weight() -> None:
    cache = LaneCache[str](3)
    run_batch(cache, "a", "b")
    run_batch(cache, "c", lane=OTHER_LANE)
    cache.drop_lanes([LANE])
    assert list(cache) == ["c"]
    run_batch(cache, "d", "e")
    for _ in range(3):
        run_batch(cache)
    assert list(cache) == ["c", "d", "e"]


steps = st.lists(st.one_of(st.lists(st.sampled_from(KEYS), max_size=4), st.sampled_from([LANE, OTHER_LANE])))


@given(steps, st.integers(0, 5))
def test_recent_states_stay_and_only_they_exceed_the_limit(script: list[list[str] | int], limit: int) -> None:
    cache = LaneCache[str](limit)
    recent: list[set[str]] = [set(), set()]
    for step in script:
        if isinstance(step, int):
            cache.drop_lanes([step])
            recent = [{key for key in keys if KEYS.index(key) % 2 != step} for keys in recent]
            continue
        keys = list(dict.fromkeys(step))
        for key in cache.mark_used(keys):
            assert key not in recent[0] | recent[1]
            cache.put(key, KEYS.index(key) % 2, key)
        assert recent[1] | set(keys) <= set(cache)
        cache.end_batch()
        recent = [recent[1], set(keys)]
        assert recent[0] | recent[1] <= set(cache)
        assert len(cache) <= max(limit, len(recent[0] | recent[1]))
