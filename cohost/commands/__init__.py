"""Commands: publish one, wait for its outcome, find the outcome of an earlier one."""
