"""The textbook transactional outbox: a handler writes rows, a relay polls and publishes them."""
