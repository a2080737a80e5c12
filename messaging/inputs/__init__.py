"""Consume the input topics and parse their records."""
