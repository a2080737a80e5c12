"""Tests of `ops/`: on real servers, with their real tools."""
