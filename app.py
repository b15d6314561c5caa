"""The deployment of Entrepot, as the CDK runs it: `npx aws-cdk@2 deploy -c settings=prod.yaml`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stacks.settings import Settings, SettingsError
from stacks.synth import build, new_app

app = new_app(Path(os.environ.get("CDK_OUTDIR", "cdk.out")))
try:
    build(app, Settings.load(app.node.get_all_context()))
except SettingsError as error:
    sys.exit(str(error))
app.synth()
