"""Findings: what is wrong with a row, why, and what to do (VAL3)."""

from __future__ import annotations

from pydantic import Field

from entrepot.model.base import Model


class Finding(Model):
    """One reason why a row was refused (or is worth a look).

    ``code`` is the stable word in the catalogue (`entrepot.validate.catalogue`), ``message`` the
    reason in the partner's terms, ``action`` what to do. ``value`` is the cell's own text.
    """

    code: str
    field: str = ""
    column: str = ""
    """The source's own name of the column."""
    value: str | None = None
    message: str = ""
    action: str = ""


class QuarantinedRow(Model):
    """One refused row, verbatim.

    ``raw`` is the record's text without its line end; when its bytes are not text in the source's
    encoding, ``raw_base64`` holds them instead.
    """

    row: int
    offset: int = 0
    """Byte offset of the record in the source (or piece)."""
    member: str = ""
    chunk: str = ""
    raw: str = ""
    raw_base64: str = ""
    outcome: str = "quarantined"
    """``quarantined``, or ``duplicate`` for a row that gave way to another of the same key."""
    findings: list[Finding] = Field(default_factory=list)
