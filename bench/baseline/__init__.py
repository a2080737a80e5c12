"""The baseline: FastStream handlers that decide one command at a time."""
