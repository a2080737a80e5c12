"""The processor time of a command, step by step, beside that of a raw passthrough of the same bytes."""
