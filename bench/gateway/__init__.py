"""Measurement of one copy of the gateway: commands over HTTP, and events over SSE."""
