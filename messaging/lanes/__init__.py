"""Own lanes: their state and cache, their table, the takeover, the lease, the listeners."""
