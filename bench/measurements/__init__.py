"""Measurements of drains, grants, kills and traces, and what all of them make of latencies."""
