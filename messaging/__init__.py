"""The exactly-once pipeline over Kafka and Postgres. It knows no service."""
