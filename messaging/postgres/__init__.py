"""Connections to Postgres: the URL taken apart, the server that accepts writes, poolers on the way."""
