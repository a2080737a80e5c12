"""The state of a service over all its copies, for ops."""
