"""The Lambda layers: what functions import that is not their own code."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.bundling import LAYERS, Target, build_layer, layer_hash
from stacks.constructs.house import House

LAYER_NAMES = ("core", "data", "database", "sources", "web")


@jsii.implements(cdk.ILocalBundling)
class _LayerBundling:
    """Builds a layer where the app runs, so that nobody needs Docker."""

    def __init__(self, name: str, target: Target) -> None:
        self._name = name
        self._target = target

    def try_bundle(self, output_dir: str, *_options: Any, **_more: Any) -> bool:
        build_layer(self._name, Path(output_dir), self._target)
        return True


class Layers(Construct):
    """``core`` for all, ``data`` for columns, ``database`` for PostgreSQL, ``sources`` for files, ``web`` the API."""

    def __init__(self, scope: Construct, construct_id: str, house: House) -> None:
        super().__init__(scope, construct_id)
        self._house = house
        self._runtime = runtime_of(house)
        self._layers = {name: self._layer(name, self._code(name)) for name in LAYER_NAMES}
        self.certificates = self._certificates()

    def pick(self, *names: str) -> list[lambda_.ILayerVersion]:
        """The layers of these names."""
        return [self._layers[name] for name in names]

    def _layer(self, name: str, code: lambda_.Code) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            name.title(),
            layer_version_name=f"{self._house.names.base}-{name}",
            code=code,
            compatible_runtimes=[self._runtime],
            compatible_architectures=[lambda_.Architecture.X86_64],
        )

    def _code(self, name: str) -> lambda_.Code:
        folder = str(LAYERS / name)
        if not self._house.settings.bundle:
            return lambda_.Code.from_asset(folder, exclude=["**/__pycache__", "**/*.pyc"])
        target = Target.of_runtime(self._house.settings.runtime)
        return lambda_.Code.from_asset(
            folder,
            # The hash is of what goes in; a layer that is in the output folder already is not built again.
            asset_hash_type=cdk.AssetHashType.CUSTOM,
            asset_hash=layer_hash(name, target),
            bundling=cdk.BundlingOptions(
                # Required, and never pulled: the local bundling either succeeds or raises.
                image=cdk.DockerImage.from_registry("unused"),
                local=_LayerBundling(name, target),
            ),
        )

    def _certificates(self) -> lambda_.ILayerVersion | None:
        source = self._house.settings.database.ca_file
        if source is None:
            return None
        folder = Path(cdk.FileSystem.mkdtemp("certificates")) / "certificates"
        folder.mkdir()
        shutil.copyfile(source, folder / "database.pem")
        return self._layer("certificates", lambda_.Code.from_asset(str(folder.parent)))


def runtime_of(house: House) -> lambda_.Runtime:
    """The Lambda runtime that the settings name."""
    return lambda_.Runtime(house.settings.runtime, lambda_.RuntimeFamily.PYTHON, supports_snap_start=True)
