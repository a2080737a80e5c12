"""Decide batches of input records, encode what they publish, and commit them."""
