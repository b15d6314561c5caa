"""The deployment of Entrepot, as the CDK runs it: `npx cdk deploy -c settings=prod.yaml`."""

from __future__ import annotations

import os

import aws_cdk as cdk

from stacks.settings import Settings
from stacks.synth import build, feature_flags

app = cdk.App(outdir=os.environ.get("CDK_OUTDIR", "cdk.out"), context=feature_flags())
build(app, Settings.load(app.node.get_all_context()))
app.synth()
