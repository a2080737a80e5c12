"""Commands over HTTP: published with the project's client, and answered with their outcomes."""
