"""The invitations service: who may be on a room's stage, by invitation, answer and seat."""
