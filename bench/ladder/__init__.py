"""Latency of commands at rising rates, beside the plain handler, and where one command's time goes."""
