"""Worker that writes when each command passes a step: `python -m bench.ladder.stamped_worker FILE -m MODULE`.

It wraps functions of the pipeline in this process alone. Each line of `FILE` has a step, the time in
`time.monotonic()`, which all processes of a machine share, and the ids of the commands.
"""

import functools
import importlib
import json
import runpy
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from bench import outcomes

ReadIds = Callable[[tuple[Any, ...], Any], Iterable[str]]


class StampedFunction(NamedTuple):
    """A step that ends when a function begins or returns; `read_ids` gets its arguments and its result."""

    step: str
    module: str
    name: str
    read_ids: ReadIds
    at_begin: bool = False


def _fetched_ids(_: tuple[Any, ...], records: Any) -> Iterable[str]:
    return [from_json(record.value)["id"] for record in records if record.topic.endswith("commands")]


def _decided_ids(_: tuple[Any, ...], batch: Any) -> Iterable[str]:
    return [row[0] for row in batch.decisions.outcomes]


def _committed_ids(arguments: tuple[Any, ...], _: Any) -> Iterable[str]:
    return _decided_ids((), arguments[1])


def _published_ids(arguments: tuple[Any, ...], _: Any) -> Iterable[str]:
    records = [record for part in arguments[1].values() for record in part]
    return [outcomes.find_command_id(record.value) for record in records]


def _no_ids(_: tuple[Any, ...], __: Any) -> Iterable[str]:
    return ()


_TRANSACTIONS = "messaging.outbox.transactions"

STAMPED_FUNCTIONS = (
    StampedFunction("fetched", "messaging.inputs.consumer", "Consumer.poll", _fetched_ids),
    StampedFunction("decided", "messaging.batch.decider", "BatchDecider.decide_batch", _decided_ids),
    StampedFunction("committed", "messaging.batch.committer", "BatchCommitter._write_batch", _committed_ids),
    StampedFunction("begun", _TRANSACTIONS, "publish_transaction", _published_ids, at_begin=True),
    # Of the transaction that began last: there is one at a time.
    StampedFunction("produced", "aiokafka", "AIOKafkaProducer.commit_transaction", _no_ids, at_begin=True),
    StampedFunction("confirmed", _TRANSACTIONS, "publish_transaction", _published_ids),
)


def find_function(stamped: StampedFunction) -> tuple[Any, str]:
    """Return the module or class that has a function, and its name there."""
    *classes, name = stamped.name.split(".")
    owner: Any = importlib.import_module(stamped.module)
    for each in classes:
        owner = getattr(owner, each)
    return owner, name


def wrap_functions(path: Path) -> None:
    """Let each of the functions write its stamps to a file."""
    # One line a write: the file is read while this process runs.
    file = path.open("a", buffering=1)
    for stamped in STAMPED_FUNCTIONS:
        owner, name = find_function(stamped)
        setattr(owner, name, _wrap_function(getattr(owner, name), stamped, file.write))


def _wrap_function(
    function: Callable[..., Awaitable[Any]], stamped: StampedFunction, write: Callable[[str], object]
) -> Callable[..., Awaitable[Any]]:
    def write_stamp(arguments: tuple[Any, ...], result: Any = None) -> None:
        now = time.monotonic()
        write(json.dumps([stamped.step, now, list(stamped.read_ids(arguments, result))]) + "\n")

    @functools.wraps(function)
    async def run_stamped(*arguments: Any, **options: Any) -> Any:
        if stamped.at_begin:
            write_stamp(arguments)
        result = await function(*arguments, **options)
        if not stamped.at_begin:
            write_stamp(arguments, result)
        return result

    return run_stamped


def run_stamped_module() -> None:
    """Run the module that is named behind the file."""
    _, path, _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    wrap_functions(Path(path))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run_stamped_module()
