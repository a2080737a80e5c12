"""The frame that both services run in: settings, HTTP, logs and the life of the process."""
