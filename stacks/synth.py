"""Turns settings into the stack template, for the CDK's command line and for the one-machine cloud."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from stacks.bundling import ROOT
from stacks.pipeline_stack import PipelineStack
from stacks.settings import Settings


def new_app(outdir: Path) -> cdk.App:
    """An app under the feature flags of ``cdk.json``, wherever it is run from.

    Args:
        outdir: Folder of the cloud assembly.
    """
    flags: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return cdk.App(outdir=str(outdir), context=flags, analytics_reporting=False)


def build(app: cdk.App, settings: Settings) -> PipelineStack:
    """Adds the stacks to an app."""
    return PipelineStack(app, settings)


def synthesise(settings: Settings, outdir: Path) -> Path:
    """Writes the cloud assembly of a deployment.

    Args:
        settings: What the deployment chose.
        outdir: Folder for the stack template, its manifest and its assets.

    Returns:
        The stack template, ``<outdir>/<stack>.template.json``.

    Raises:
        BundlingError: A layer cannot be built.
    """
    app = new_app(outdir)
    stack = build(app, settings)
    app.synth()
    return Path(outdir) / stack.template_file
