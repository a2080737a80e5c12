"""The steps of a command, and the step that a stack of a worker's frames is in."""

from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType
from typing import Literal, NamedTuple, get_args

Step = Literal[
    "consume",
    "parse",
    "validate",
    "load",
    "decide",
    "encode",
    "outbox",
    "commit",
    "produce",
    "event loop",
    "other",
]
STEPS: tuple[Step, ...] = get_args(Step)


class StepRule(NamedTuple):
    """The step of functions of a file, or of all its functions; `path` may also be a folder's."""

    path: str
    step: Step
    functions: frozenset[str] = frozenset()

    def matches(self, path: str, function: str) -> bool:
        """Return whether a function of this file is in the step."""
        return f"/{self.path}" in path and (not self.functions or function in self.functions)


# The first rule that matches counts. What a rule's functions call is in its step too, unless a rule names it.
RULES = (
    StepRule("messaging/inputs/parsing.py", "validate", frozenset({"_validate_command"})),
    StepRule("messaging/inputs/valid_records.py", "validate", frozenset({"validate_fields"})),
    StepRule("messaging/batch/decider.py", "parse", frozenset({"_parse_records"})),
    StepRule("messaging/batch/decider.py", "consume", frozenset({"unprocessed_records"})),
    StepRule("messaging/batch/decider.py", "commit", frozenset({"_advance_positions", "_finish_lane"})),
    StepRule("messaging/batch/decider.py", "decide"),
    StepRule("services/invitations/processor.py", "load", frozenset({"load"})),
    StepRule("services/broadcast/processor.py", "load", frozenset({"load"})),
    StepRule(
        "messaging/batch/encoder.py",
        "encode",
        frozenset({"encode_output", "encode_rejection", "encode_dead_letter"}),
    ),
    StepRule("messaging/outbox/store.py", "encode", frozenset({"estimated_size"})),
    StepRule("messaging/outbox/store.py", "outbox", frozenset({"update_outbox"})),
    StepRule("messaging/batch/committer.py", "commit"),
    StepRule("messaging/outbox/publisher.py", "produce"),
    StepRule("messaging/outbox/transactions.py", "produce"),
    StepRule("messaging/outbox/settlement.py", "produce"),
    StepRule("aiokafka/producer/", "produce"),
    StepRule("messaging/inputs/consumer.py", "consume"),
    StepRule("aiokafka/consumer/", "consume"),
    StepRule("aiokafka/coordinator/", "consume"),
    # Most of the bytes that aiokafka receives are fetched records.
    StepRule("asyncio/streams.py", "consume", frozenset({"data_received"})),
    StepRule("faststream/", "consume"),
)

# uvloop has no frames: while it waits, reads or writes, or has asyncpg decode an answer, the runner's is the
# innermost one. A signal that comes meanwhile is often handled in the next function that the loop calls.
_LOOP_FILES = ("/asyncio/",)
_LOOP_FUNCTIONS = (("/asyncio/runners.py", "run"),)
_PRODUCER_CLIENT = "aiokafka-producer"


def find_step(frame: FrameType | None) -> Step:
    """Return the step of the innermost frame that has one; `frame` is the innermost one of all."""
    is_in_loop = True
    while frame is not None:
        found = _classify_code(frame.f_code)
        if found.step is not None:
            return found.step
        if found.read_step is not None:
            return found.read_step(frame)
        is_in_loop = is_in_loop and found.is_in_loop
        if is_in_loop and found.is_loop:
            return "event loop"
        frame = frame.f_back
    return "other"


class _CodeClass(NamedTuple):
    """A rule for a frame's code: its step, or a function of the frame's variables, or the event loop."""

    step: Step | None = None
    read_step: Callable[[FrameType], Step] | None = None
    is_in_loop: bool = False
    is_loop: bool = False


@cache
def _classify_code(code: CodeType) -> _CodeClass:
    path, function = code.co_filename, code.co_name
    for rule in RULES:
        if rule.matches(path, function):
            return _CodeClass(rule.step)
    for ending, name, read_step in _READERS:
        if path.endswith(ending) and function == name:
            return _CodeClass(read_step=read_step)
    return _CodeClass(
        is_in_loop=any(part in path for part in _LOOP_FILES),
        is_loop=any(path.endswith(ending) and function == name for ending, name in _LOOP_FUNCTIONS),
    )


def _step_of_answer(frame: FrameType) -> Step:
    """Return the step of an answer that aiokafka decodes."""
    client_id = getattr(frame.f_locals["self"], "_client_id", "")
    return "produce" if client_id.startswith(_PRODUCER_CLIENT) else "consume"


_READERS: tuple[tuple[str, str, Callable[[FrameType], Step]], ...] = (
    ("/aiokafka/conn.py", "_handle_frame", _step_of_answer),
)
