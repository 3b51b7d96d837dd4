"""Measures what a turn costs, against a baseline in the same run. `make bench` runs it; the test run does not."""
