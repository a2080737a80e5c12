"""The invitations service: decides which users may be on a room's stage, from invitation to seat."""
