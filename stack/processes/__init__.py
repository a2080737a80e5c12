"""Child processes of a stack, and the reaper that ends them."""
