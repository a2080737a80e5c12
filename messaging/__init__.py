"""The exactly-once pipeline over Kafka and Postgres. It imports no service."""
