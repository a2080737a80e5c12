"""Repeated lines of aiokafka are limited."""

import logging

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
