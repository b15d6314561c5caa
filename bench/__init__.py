"""Measures against what others reach. `python -m bench` says everything in one run, as ratios."""
