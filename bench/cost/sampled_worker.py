"""Sampled program: `python -m bench.cost.sampled_worker FILE -m services.invitations` runs that module.

`FILE` receives the numbers of samples by step.
"""

import runpy
import sys
from pathlib import Path

from bench.cost.sampler import StepCounters, StepSampler


def run_sampled() -> None:
    """Run the module that is named behind the file."""
    _, counters, _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    with StepSampler(StepCounters(Path(counters))):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run_sampled()
