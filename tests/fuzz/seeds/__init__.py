"""The files that are mutated: small, of many shapes, made when they are asked for."""
