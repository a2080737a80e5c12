"""The gateway: one URL for apps. Commands over HTTP, the services' reads, live events over SSE."""
