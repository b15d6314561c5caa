"""Validation by contract: casts, checks, findings. Arrow is imported when the first row comes."""

from __future__ import annotations

from entrepot.validate.chunk import ValidatedChunk, validate_chunk, with_missing
from entrepot.validate.types import arrow_type, is_zoned

__all__ = ["ValidatedChunk", "arrow_type", "is_zoned", "validate_chunk", "with_missing"]
