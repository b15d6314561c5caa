"""Fuzzing of every reader and container: see `tests.fuzz.__main__`."""
