"""Benchmarks of the pipeline's throughput, latency and CPU cost, beside a baseline handler."""
