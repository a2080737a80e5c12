"""Kafka, Postgres and LiveKit as local processes."""
