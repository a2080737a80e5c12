"""Counts of the log, made as this process reads it."""
