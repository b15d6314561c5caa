"""The deployment of Entrepot, as the CDK runs it: `npx cdk deploy -c settings=prod.yaml`."""

from __future__ import annotations

import os
from pathlib import Path

from stacks.settings import Settings
from stacks.synth import build, new_app

app = new_app(Path(os.environ.get("CDK_OUTDIR", "cdk.out")))
build(app, Settings.load(app.node.get_all_context()))
app.synth()
