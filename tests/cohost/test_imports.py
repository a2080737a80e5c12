"""Imports neither change aiokafka nor load what is not needed. Each claim needs a new process."""

import subprocess
import sys

import cohost
from stack.services import REPOSITORY


def run_python(program: str) -> str:
    """Run a program in a new interpreter and return its output."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout.strip()


def test_aiokafka_is_changed_by_the_call_alone() -> None:
    program = """
from aiokafka.consumer import fetcher
from aiokafka.producer import sender
own = fetcher.MemoryRecords, sender.BACKOFF_OVERRIDE
import cohost.audit, messaging.session, services.broadcast.app, services.invitations.app
from cohost.kafka import patches
print((fetcher.MemoryRecords, sender.BACKOFF_OVERRIDE) == own)
patches.apply_patches()
print(fetcher.MemoryRecords is own[0], sender.BACKOFF_OVERRIDE)
"""
    assert run_python(program).split() == ["True", "False", "0.002"]


def test_the_kafka_layer_loads_neither_the_client_nor_its_http() -> None:
    program = """
import sys
import cohost.kafka.log_reader, cohost.kafka.producer, cohost.kafka.security
print(sorted({"cohost.client", "cohost.streams", "httpx", "jwt"} & sys.modules.keys()))
"""
    assert run_python(program) == "[]"


def test_every_public_name_is_found() -> None:
    assert {name: getattr(cohost, name).__name__ for name in cohost.__all__} == {
        name: name for name in cohost.__all__
    }
    assert not hasattr(cohost, "Nothing")
    assert set(cohost.__all__) <= set(dir(cohost))
