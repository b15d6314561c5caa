"""`make demo`: a real import shown end to end, and every number in it checked."""
