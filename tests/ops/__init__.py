"""Tests of metrics, alerts, dashboards, traces and logs."""
