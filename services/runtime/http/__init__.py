"""The FastAPI application of a service, and what its routes share."""
