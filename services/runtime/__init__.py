"""What both services run on: settings, logs, HTTP and process lifecycle."""
