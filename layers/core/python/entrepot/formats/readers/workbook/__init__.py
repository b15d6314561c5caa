"""Workbooks: the parts behind `entrepot.formats.readers.excel`, one module a file format and one a question."""
