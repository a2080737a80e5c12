"""Makes on LiveKit what invitations decides, and says what it sees there."""
