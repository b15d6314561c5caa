"""Readers and writers of file formats: bytes in, records and Arrow out. No I/O of their own."""

from __future__ import annotations

from entrepot.formats.split import Splitter, needs_pieces
from entrepot.formats.text import extract_rows, parse_chunk

__all__ = ["Splitter", "extract_rows", "needs_pieces", "parse_chunk"]
