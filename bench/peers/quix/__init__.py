"""Quix Streams with the pipeline's parser, rules and encoder, in an environment of its own."""
