"""Generated commands and seats, and the ways to send them."""
