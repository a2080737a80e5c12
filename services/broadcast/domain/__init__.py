"""The rules as pure functions: a room's stage, and the decision on each record."""
