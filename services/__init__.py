"""The two services, and what both of them need to be a process."""
