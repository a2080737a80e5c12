"""Workers, Kafka and Postgres killed, paused and stopped at random under load, judged by the audit."""
