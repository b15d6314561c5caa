"""Several sources in one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rest.views import SourceAsk

if TYPE_CHECKING:
    from entrepot.workflow.sets import Named


def named(sources: Sequence[str | SourceAsk]) -> list[Named]:
    """Sources of a request, in the library's words."""
    from entrepot.workflow.sets import Named

    plain = (SourceAsk(uri=s) if isinstance(s, str) else s for s in sources)
    return [Named(s.uri or "", s.name, s.upload or "") for s in plain]
