"""Readers of what is not delimited text: a module a format, all behind `entrepot.formats.reading.Reader`."""
