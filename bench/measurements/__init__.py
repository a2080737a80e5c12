"""The measurements: drain, latency, grants and kills."""
