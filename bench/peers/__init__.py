"""Peers: what people would use instead of the pipeline, with the same rules on the same topics."""
