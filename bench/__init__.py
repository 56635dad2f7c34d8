"""Measures what the hub costs beside nginx. `python -m bench --help`; figures and method: docs/performance.md."""
