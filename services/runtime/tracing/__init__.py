"""Traces of a process, sent over OTLP if the environment says where to; off without any import else."""
