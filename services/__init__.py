"""The two services, and the runtime that they share."""
