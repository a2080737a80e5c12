"""The numbers of the business as Prometheus metrics, from the topics alone."""
