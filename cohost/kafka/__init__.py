"""Kafka access that knows no service: read, write, connect and close."""
