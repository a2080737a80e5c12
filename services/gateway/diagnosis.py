"""One diagnosis from the steps that the two services know."""

from typing import get_args

from cohost_schemas.answers import Diagnosis
from cohost_schemas.types import StepName
from services.runtime.diagnosis import complete_steps

STEPS: tuple[StepName, ...] = get_args(StepName)
"""All steps, in the order in which a user reaches them."""


def merge_diagnoses(invitations: Diagnosis, broadcast: Diagnosis | None) -> Diagnosis:
    """Return the diagnosis of both services' steps.

    `broadcast` is None if it does not know the room yet: its steps are then unknown.
    """
    known_to_broadcast = () if broadcast is None else broadcast.steps
    steps = complete_steps(STEPS, (*known_to_broadcast, *invitations.steps))
    return Diagnosis(room_id=invitations.room_id, user_id=invitations.user_id, steps=steps)
