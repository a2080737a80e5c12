"""A worker process that dies, stops or waits at a failpoint, and can run without a safeguard.

The argument is a JSON object such as `{"bootstrap_servers": …, "at": {"after commit": [1, "kill"]}}`. A
reached failpoint leaves a file of its name in the folder `marks`; the action `"mark"` does only that. A
worker waiting at a failpoint goes on once `<point>.go` exists.
"""

import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from cohost.kafka import patches
from cohost_schemas import topics
from messaging import database, outcomes
from messaging.config import Config
from messaging.lanes import lane_store
from messaging.metrics import PipelineMetrics
from messaging.outbox import log_end, store, transactions
from messaging.outbox.publisher import OutboxPublisher
from messaging.pipeline import Pipeline
from messaging.session import Session
from tests.messaging.counter_processor import CounterProcessor
from tests.messaging.lane_brokers import create_broker

COMMANDS = topics.INVITATION_COMMANDS.suffix
FAILPOINTS: dict[str, tuple[Any, str, str]] = {
    "before commit": (outcomes, "insert_outcomes", "after"),
    "after commit": (OutboxPublisher, "enqueue_batches", "before"),
    "before publish": (transactions, "publish_transaction", "before"),
    "before end of transaction": (transactions.SingleAttemptEndTxn, "do", "before"),
    "after end of transaction": (transactions, "publish_transaction", "after"),
    "after claim": (transactions, "fence_owners", "before"),
    "after fence": (transactions, "fence_owners", "after"),
    "after log ends": (log_end, "read_log_ends", "after"),
    "before release": (lane_store, "release_lanes", "before"),
    "before update": (lane_store, "write_updates", "before"),
    "fetched": (Session, "handle_batch", "before"),
}


def arm_failpoint(point: str, count: int, action: str, marks: Path) -> None:
    """Perform the action when the failpoint is reached for the `count`th time with records to lose."""
    owner, name, when = FAILPOINTS[point]
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)
    remaining = count

    async def armed(*arguments: Any, **options: Any) -> Any:
        nonlocal remaining
        remaining -= 1 if _is_relevant(point, arguments) else 0
        is_due = remaining == 0
        if is_due and when == "before":
            await _perform_action(action, marks / point)
        result = await original(*arguments, **options)
        if is_due and when == "after":
            await _perform_action(action, marks / point)
        remaining -= is_due
        return result

    setattr(owner, name, armed)


def _is_relevant(point: str, arguments: tuple[Any, ...]) -> bool:
    """Return whether the call concerns commands: the lease renewal of every second takes the same path."""
    if point == "before commit":
        return bool(arguments[1])
    if point == "after commit":
        return bool(arguments[1])
    if point == "fetched":
        return any(record.topic.endswith("commands") for record in arguments[1])
    if point == "before update":
        return any(
            update.after.positions.get(COMMANDS, 0) > update.before.positions.get(COMMANDS, 0)
            for update in arguments[1]
        )
    return True


async def _perform_action(action: str, mark: Path) -> None:
    mark.touch()
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action.startswith("stop"):
        os.kill(os.getpid(), signal.SIGSTOP)
        if action == "stop, then go on without Postgres":
            lane_store.write_updates = _wait_forever  # type: ignore[assignment]
    elif action == "wait":
        while not mark.with_suffix(".go").exists():
            await asyncio.sleep(0.01)


def disable_safeguard(safeguard: str) -> None:
    """Disable one of the three safeguards of a takeover."""
    if safeguard == "log-end check":
        log_end.confirm_published = lambda *_: 0
    elif safeguard == "fencing":
        transactions.fence_owners = _skip_fencing
        # It fences, too.
        transactions.abort_left_open = _skip_fencing
    elif safeguard == "epoch check":
        # The primary key compares the outbox batch's number: it belongs to the same fence.
        _replace_source(
            lane_store.write_updates,
            "AND lanes.epoch = new.epoch AND lanes.positions = new.expected_positions\n"
            "            AND lanes.last_batch_number = new.expected_batch_number",
            "",
        )
        row = "unnest($1::int[], $2::bigint[], $3::bytea[])"
        _replace_source(
            store.update_outbox,
            row,
            f"{row} ON CONFLICT (lane, batch_number) DO UPDATE SET records = excluded.records",
        )


def _replace_source(function: Callable[..., Any], part: str, other: str) -> None:
    source = inspect.getsource(function)
    assert part in source
    module = sys.modules[function.__module__]
    exec(compile(source.replace(part, other), module.__file__ or "", "exec"), vars(module))  # noqa: S102 - a mutated copy of the product's code


async def _wait_forever(*_: object) -> None:
    await asyncio.Event().wait()


async def _skip_fencing(*_: object) -> None:
    """Skip the fencing."""


async def main(options: dict[str, Any]) -> None:
    marks = Path(options.pop("marks"))
    for safeguard in options.pop("without", ()):
        disable_safeguard(safeguard)
    for point, (count, action) in options.pop("at", {}).items():
        arm_failpoint(point, count, action, marks)
    # A stopped worker must keep its transaction open while other workers start.
    database._TIMEOUTS["idle_in_transaction_session_timeout"] = "90s"  # noqa: SLF001 - a timeout of the product
    patches.apply_patches()
    config = Config(**options)
    processor = CounterProcessor()
    metrics = PipelineMetrics(CollectorRegistry(), "counter")
    pipeline = Pipeline(config, create_broker(config, processor.topology), processor, metrics)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, pipeline.stop)
    running = asyncio.create_task(pipeline.run())
    while not running.done() and not pipeline.is_ready:
        await asyncio.sleep(0.02)
    (marks / "ready").touch()
    await running


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
