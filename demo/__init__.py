"""A live show, played by real processes and real participants on a stack of its own."""
