"""HTTP routes, and the queries that answer them."""
