"""Decides who may be on a room's stage: invitations, answers and seats."""
