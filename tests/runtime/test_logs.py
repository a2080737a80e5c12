"""Repeated lines of some libraries are limited."""

import logging

import pytest

from services.runtime.logs import RateLimitFilter


def passes(lines: RateLimitFilter, name: str, message: str) -> bool:
    return bool(lines.filter(logging.LogRecord(name, logging.ERROR, "", 0, message, None, None)))


def test_a_repeated_line_of_aiokafka_passes_once() -> None:
    lines = RateLimitFilter()
    assert passes(lines, "aiokafka.conn", "unreachable")
    assert not passes(lines, "aiokafka.conn", "unreachable")
    assert passes(lines, "aiokafka.conn", "reachable")
    assert passes(lines, "aiokafka.client", "unreachable")


def test_other_lines_always_pass() -> None:
    lines = RateLimitFilter()
    assert all(passes(lines, "services", "unreachable") for _ in range(2))


@pytest.mark.parametrize("name", ["asyncio", "uvicorn.error"])
def test_a_message_is_repeated_whatever_objects_its_further_lines_name(name: str) -> None:
    lines = RateLimitFilter()
    assert passes(lines, name, "it failed\nprotocol: <object at 0x7f01>")
    assert not passes(lines, name, "it failed\nprotocol: <object at 0x7f02>")
