"""The steps of a diagnosis up to the first that is not `ok`, and those after it."""

from collections.abc import Iterable, Sequence

from cohost_schemas.answers import DiagnosisStep
from cohost_schemas.types import StepName, StepState

_NOT_REACHED = "Look at the first step that is not ok."
_NOT_KNOWN = "The service that knows this step does not know the room yet. Ask again in a moment."


def complete_steps(names: Sequence[StepName], found: Iterable[DiagnosisStep]) -> tuple[DiagnosisStep, ...]:
    """Return a step for each name, in this order.

    The first that is not `ok` is why the user is not on air, so those after it are not reached, whatever was
    found: `waiting` like it, else `unknown`. A step that was not found is unknown.
    """
    found_by_name = {step.step: step for step in found}
    steps: list[DiagnosisStep] = []
    problem: DiagnosisStep | None = None
    for name in names:
        if problem is not None:
            state: StepState = "waiting" if problem.state == "waiting" else "unknown"
            steps.append(DiagnosisStep(step=name, state=state, advice=_NOT_REACHED))
            continue
        step = found_by_name.get(name) or DiagnosisStep(step=name, state="unknown", advice=_NOT_KNOWN)
        steps.append(step)
        problem = step if step.state != "ok" else None
    return tuple(steps)
