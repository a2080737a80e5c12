"""HTTP: the stage, broadcast data for joining, and LiveKit's webhook."""
