"""Traces of the pipeline: W3C Trace Context, the seam behind which spans are made, and where they begin."""
