"""Dead letters: read from their topics, judged as the services would, and redriven."""
