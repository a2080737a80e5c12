"""The runtime of both services: settings, logs, HTTP and process lifecycle."""
