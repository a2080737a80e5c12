"""Tests of `ops/` on real servers."""
