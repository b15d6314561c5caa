"""Models: what is stored, what steps exchange, what callers send and get."""
