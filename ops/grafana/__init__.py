"""Grafana dashboards, written in Python; `python -m ops.grafana` writes their JSON."""
