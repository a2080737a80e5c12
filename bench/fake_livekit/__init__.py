"""A fake of LiveKit's room service, and the process that runs it."""
