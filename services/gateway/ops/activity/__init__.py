"""What this process counts of the log as it reads it."""
