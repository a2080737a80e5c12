"""The FastAPI application of a service, and the parts that its routes share."""
