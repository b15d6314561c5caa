"""Casts by contract: text in, typed Arrow out, never a guess."""
