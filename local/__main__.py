"""``python -m local``."""

from __future__ import annotations

from local.main import leave, main

if __name__ == "__main__":
    leave(main())
