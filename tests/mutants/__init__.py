"""Small faults, each in a patch, and the tests that find them."""
