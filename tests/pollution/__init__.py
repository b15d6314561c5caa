"""Polluted delimited text with the clean table as the truth, made by rule and the same every time."""
