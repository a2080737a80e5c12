"""The state of the services over all their copies."""
