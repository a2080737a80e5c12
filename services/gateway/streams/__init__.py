"""Live streams: one reader of the topics, and its records fanned out to clients by room and by user."""
