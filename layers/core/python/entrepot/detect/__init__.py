"""Detection: what a source is, and what its columns hold."""

from __future__ import annotations

from entrepot.detect.source import detect_source

__all__ = ["detect_source"]
