"""Names of columns and fields, folded for comparison."""

from __future__ import annotations

import re
import unicodedata


def folded(name: str) -> str:
    """A name without case, blanks, punctuation and accents: ``E-Mail adresse`` → ``emailadresse``.

    Compatibility forms are unified (NFKD). A name of punctuation alone folds to itself.

    Args:
        name: Any name.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[\W_]+", "", plain) or name.strip()
