"""Plots of saved results, as SVG for the pages."""
