"""Benchmarks beside peers in the same run: scripts that print ratios, never timed tests."""
