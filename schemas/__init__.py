"""The wire contract: what crosses a process border. Nothing here but pydantic and the standard library."""
