"""Kafka access for client and pipeline: read, write, connect and close. It imports no service."""
