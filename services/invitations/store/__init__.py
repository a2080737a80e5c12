"""Postgres tables of the service, in one schema with the pipeline's tables."""
