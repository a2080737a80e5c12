"""Tests of traces, and of the ids in logs."""
