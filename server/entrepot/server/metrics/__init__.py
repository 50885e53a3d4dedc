"""Metrics in Prometheus' form: Distribution's names and labels, and what it lacks.

Imported only where they are switched on: `prometheus_client` takes a tenth of a second.
"""
