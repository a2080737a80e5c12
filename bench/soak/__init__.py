"""Steady load for half an hour, and whether latency, memory and tables stay as they were."""
