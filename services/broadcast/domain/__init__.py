"""The rules: a room's stage, and what each record changes on it."""
