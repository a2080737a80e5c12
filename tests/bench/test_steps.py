"""The step that a stack is in: rules name existing functions, and the innermost one counts."""

import ast
import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bench.cost.steps import RULES, Step, StepRule, find_step
from stack.services import REPOSITORY

PARSING = "/app/messaging/inputs/parsing.py"
DECIDER = "/app/messaging/batch/decider.py"
COMMITTER = "/app/messaging/batch/committer.py"
PROCESSOR = "/app/services/invitations/processor.py"
DATABASE_CLIENT = "/packages/asyncpg/connection.py"
KAFKA_CLIENT = "/packages/aiokafka/client.py"
RUNNER = "/lib/asyncio/runners.py"


def defined_functions(path: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)}


def rule_path(rule: StepRule) -> Path:
    """Return the file or folder of a rule: of this repository, or of an installed package."""
    found = REPOSITORY / rule.path
    if found.exists():
        return found
    package, _, rest = rule.path.partition("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / rest


def define_function(path: str, name: str, variable: str = "_") -> Callable[..., Step]:
    """Return a function of this name that calls its argument, seemingly of a file of this path."""
    scope: dict[str, Any] = {}
    source = f"def {name}(call, {variable}=None): return call()"
    exec(compile(source, path, "exec"), scope)  # noqa: S102 - a frame's path comes from its code
    return scope[name]  # type: ignore[no-any-return]


def step_of(*frames: tuple[str, str]) -> Step:
    """Return the step of a stack of functions, the outermost first."""
    call: Callable[..., Step] = find_step_of_caller
    for path, name in reversed(frames):
        call = partial(define_function(path, name), call)
    return call()


def find_step_of_caller() -> Step:
    caller: FrameType | None = sys._getframe(1)  # noqa: SLF001 - what a signal's handler is given
    return find_step(caller)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.step} {rule.path}")
def test_rules_name_existing_functions(rule: StepRule) -> None:
    path = rule_path(rule)
    assert path.exists()
    if rule.functions:
        assert rule.functions <= defined_functions(path)


@pytest.mark.parametrize(
    ("frames", "step"),
    [
        ([(DECIDER, "_parse_records"), (PARSING, "parse_record")], "parse"),
        (
            [(DECIDER, "_parse_records"), (PARSING, "parse_record"), (PARSING, "_validate_command")],
            "validate",
        ),
        ([(DECIDER, "decide_batch"), (PROCESSOR, "load"), (DATABASE_CLIENT, "fetch")], "load"),
        ([(DECIDER, "_decide_records"), (PROCESSOR, "decide")], "decide"),
        ([(COMMITTER, "_write_batch"), (DATABASE_CLIENT, "execute")], "commit"),
        ([(COMMITTER, "_write_batch"), ("/app/messaging/outbox/store.py", "update_outbox")], "outbox"),
        ([("/packages/aiokafka/producer/sender.py", "_send"), (KAFKA_CLIENT, "send")], "produce"),
        ([("/packages/aiokafka/consumer/fetcher.py", "_proc"), (KAFKA_CLIENT, "send")], "consume"),
        ([("/lib/asyncio/streams.py", "data_received"), ("/lib/asyncio/streams.py", "feed_data")], "consume"),
        ([("/app/services/runtime/http/server.py", "serve")], "other"),
    ],
)
def test_the_innermost_frame_with_a_step_counts(frames: Sequence[tuple[str, str]], step: Step) -> None:
    assert step_of((RUNNER, "run"), *frames) == step


def test_a_stack_with_nothing_but_the_loop_is_the_loops() -> None:
    assert step_of((RUNNER, "run"), ("/lib/asyncio/tasks.py", "sleep")) == "event loop"
    assert step_of((RUNNER, "run")) == "event loop"


class _FakeConnection:
    def __init__(self, client_id: str) -> None:
        self._client_id = client_id


def test_an_answer_of_kafka_belongs_to_its_connection() -> None:
    answer = define_function("/packages/aiokafka/conn.py", "_handle_frame", "self")
    assert answer(find_step_of_caller, self=_FakeConnection("aiokafka-producer-1")) == "produce"
    assert answer(find_step_of_caller, self=_FakeConnection("faststream")) == "consume"
