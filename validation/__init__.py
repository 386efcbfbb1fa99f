"""Benchmarks: each prints a table, writes a figure and rewrites its section of docs/benchmarks.md."""
