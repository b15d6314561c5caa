"""``python -m local``."""

from __future__ import annotations

import sys

from local.main import main

if __name__ == "__main__":
    sys.exit(main())
