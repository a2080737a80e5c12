"""Publish committed records exactly once: the outbox table, Kafka transactions, the end of the log."""
