"""The two services, the gateway, and the runtime that they share."""
