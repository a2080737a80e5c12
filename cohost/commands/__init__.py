"""Publish commands, wait for their outcomes, and find outcomes of earlier commands."""
