"""The wire contract: every message between processes, built on pydantic and the standard library only."""
