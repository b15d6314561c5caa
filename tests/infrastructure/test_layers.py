"""The layers as they are shipped: small enough, complete, and nothing comes from anywhere else."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import files
from pathlib import Path

import pytest

from stacks.bundling import ROOT, BundlingError, Target, build_layer, layer_hash
from stacks.constructs.layers import LAYER_NAMES
from stacks.settings import DATABASE_FUNCTIONS, FUNCTIONS, FunctionName
from tests.infrastructure.assemblies import PLAIN, Assembly, Resource, assemble, flat

LIBRARY = ROOT / "layers" / "core" / "python"
LIMIT = 250 * 2**20
"""Bytes, unzipped, of a function's code and all its layers: Lambda's limit."""

# What the Lambda runtime brings, which no layer repeats.
RUNTIME = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All layers as a deployment stages them for AWS, by name."""
    folder = tmp_path_factory.mktemp("shipped")
    with _index_needed():
        assembly = assemble(PLAIN | {"bundle": True}, folder)
    staged = {}
    for layer in assembly.of_type("AWS::Lambda::LayerVersion"):
        key = flat(layer.properties["Content"]["S3Key"])
        staged[_short(assembly, layer)] = folder / f"asset.{key.removesuffix('.zip')}"
    return staged


@pytest.fixture(scope="session")
def runnable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All layers for the interpreter that runs this test, and the runtime's own packages beside them."""
    folder = _build(tmp_path_factory.mktemp("runnable"), Target.here())
    _imitate_runtime(folder / "runtime")
    return folder


def _build(folder: Path, target: Target) -> Path:
    with _index_needed():
        for name in LAYER_NAMES:
            build_layer(name, folder / name, target)
    return folder


@contextmanager
def _index_needed() -> Iterator[None]:
    """Skips where packages cannot be fetched: that says nothing about the layers."""
    try:
        yield
    except (BundlingError, RuntimeError) as error:
        if "failed to fetch" in str(error).lower():
            pytest.skip("no way to a package index")
        raise


def _imitate_runtime(folder: Path) -> None:
    folder.mkdir()
    for package in RUNTIME:
        for file in files(package) or ():
            top = file.parts[0]
            if not top.startswith(".") and not (folder / top).exists():
                (folder / top).symlink_to(
                    Path(file.locate()).parents[len(file.parts) - 2] if len(file.parts) > 1 else file.locate()
                )


def _short(assembly: Assembly, layer: Resource) -> str:
    return str(layer.properties["LayerName"]).removeprefix(f"{assembly.settings.names.base}-")


def _layers_of(assembly: Assembly, name: FunctionName) -> list[str]:
    by_id = {layer.logical_id: _short(assembly, layer) for layer in assembly.of_type("AWS::Lambda::LayerVersion")}
    return [by_id[layer["Ref"]] for layer in assembly.function(name).properties["Layers"]]


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_and_its_layers_fit_into_lambda(
    plain: Assembly, shipped: dict[str, Path], name: FunctionName
) -> None:
    parts = {layer: _size(shipped[layer]) for layer in _layers_of(plain, name)}
    code = _size(ROOT / "functions" / name)
    assert parts
    assert sum(parts.values()) + code < LIMIT, {layer: f"{size >> 20} MB" for layer, size in parts.items()}


def test_a_deployment_stages_every_layer_with_the_library_in_its_own(shipped: dict[str, Path]) -> None:
    assert set(shipped) == set(LAYER_NAMES)
    assert (shipped["core"] / "python" / "entrepot" / "bootstrap.py").is_file()
    assert not [name for name in LAYER_NAMES if name != "core" and (shipped[name] / "python" / "entrepot").exists()]


def test_no_layer_repeats_the_runtime_s_packages(shipped: dict[str, Path]) -> None:
    tops = {path.name for layer in LAYER_NAMES for path in (shipped[layer] / "python").iterdir()}
    assert not tops & {"boto3", "botocore", "s3transfer", "urllib3"}


def test_no_package_is_in_two_layers(shipped: dict[str, Path]) -> None:
    seen: dict[str, str] = {}
    for layer in LAYER_NAMES:
        for path in (shipped[layer] / "python").iterdir():
            if path.suffix != ".dist-info":
                continue
            assert path.name not in seen, f"{path.name} in {layer} and {seen[path.name]}"
            seen[path.name] = layer


def test_only_wheels_for_lambda_s_machine_are_shipped(shipped: dict[str, Path]) -> None:
    compiled = [
        path.name
        for folder in shipped.values()
        for path in folder.rglob("*.so")
        if "cpython" in path.name or "abi3" in path.name
    ]
    assert compiled
    assert not [name for name in compiled if "cpython" in name and not _fits_lambda(name)]


def _fits_lambda(name: str) -> bool:
    return "cpython-313-" in name and ("x86_64" in name)


def test_the_hash_follows_what_goes_in() -> None:
    lambda_, here = Target.of_runtime("python3.13"), Target.here()
    assert layer_hash("core", lambda_) == layer_hash("core", lambda_)
    hashes = {layer_hash(name, target) for name in LAYER_NAMES for target in (lambda_, here)}
    assert len(hashes) == 2 * len(LAYER_NAMES)


_IMPORT = """
import importlib, json, sys
paths, modules = json.loads(sys.argv[1])
sys.path[:0] = paths
for module in modules:
    importlib.import_module(module)
strange = sorted(
    file
    for file in (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    if file and not file.startswith((*paths, sys.base_prefix, sys.prefix + "/lib/python"))
)
outside = [file for file in strange if "site-packages" in file]
print(json.dumps(outside))
"""


def _run(code: str, *arguments: str) -> str:
    # -I: no variables, no user packages; -S: not even this environment's site-packages.
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    environment = {"PATH": os.environ["PATH"], "AWS_REGION": "eu-central-1", "AWS_XRAY_SDK_ENABLED": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _search_path(assembly: Assembly, name: FunctionName, built: Path) -> list[str]:
    """Where a function imports from, in Lambda's order: its code, its layers, the runtime."""
    layers = [str(built / layer / "python") for layer in _layers_of(assembly, name)]
    return [str(ROOT / "functions" / name), *layers, str(built / "runtime")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_handler_imports_from_nothing_but_its_assets(plain: Assembly, runnable: Path, name: FunctionName) -> None:
    # Also what it imports only when it needs it, which a first import would not show.
    modules = ["handler", *sorted(_foreign(name))]
    out = _run(_IMPORT, json.dumps([_search_path(plain, name, runnable), modules]))
    assert json.loads(out) == []


def _foreign(name: FunctionName) -> set[str]:
    """Packages of others that a function's code and the library below it import anywhere."""
    known: set[str] = set()
    foreign: set[str] = set()
    open_ = list((ROOT / "functions" / name).rglob("*.py"))
    own = {path.stem for path in open_} | {path.parent.name for path in open_}
    while open_:
        path = open_.pop()
        for module in _imports(path):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top in own:
                continue
            if top != "entrepot":
                foreign.add(top)
            elif module not in known and _may_use(name, module):
                known.add(module)
                open_ += _files_of(module)
    return foreign


def _may_use(name: FunctionName, module: str) -> bool:
    """Whether a function has what an adapter is for: `bootstrap` names all of them, each made on first use."""
    if module.startswith("entrepot.adapters.postgres"):
        return name in DATABASE_FUNCTIONS
    return name == "api" or not module.startswith("entrepot.adapters.tokens")


def _files_of(module: str) -> list[Path]:
    path = LIBRARY / module.replace(".", "/")
    return [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()]


def _imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            if node.module.startswith("entrepot"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


# Without Arrow's threads, as the steps read: one that still holds a Python object when the
# interpreter ends aborts the process, now and then (apache/arrow#34314).
_COLUMNS = """
import io, json, sys
sys.path[:0] = json.loads(sys.argv[1])
import pyarrow as pa, pyarrow.compute as pc, pyarrow.csv as csv, pyarrow.ipc as ipc, pyarrow.parquet as pq
single = csv.ReadOptions(use_threads=False)
table = csv.read_csv(io.BytesIO(b"a,b\\n1,x\\n2,y\\n2,z\\n"), read_options=single)
table = table.set_column(0, "a", pc.cast(table["a"], pa.decimal128(23, 2)))
out = io.BytesIO()
with ipc.new_stream(out, table.schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer:
    writer.write_table(table)
assert ipc.open_stream(out.getvalue()).read_all() == table
counts = table.group_by("a", use_threads=False).aggregate([("b", "count")]).sort_by("a")
assert counts["b_count"].to_pylist() == [1, 2]
file = io.BytesIO()
pq.write_table(table, file)
assert pq.ParquetFile(io.BytesIO(file.getvalue()), pre_buffer=False).read(use_threads=False) == table
print("ok")
"""


def test_the_trimmed_columnar_core_still_does_what_steps_need(plain: Assembly, runnable: Path) -> None:
    assert _run(_COLUMNS, json.dumps(_search_path(plain, "validate", runnable))) == "ok\n"


def test_a_layer_that_cannot_be_built_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BundlingError, match=r"layer 'core' cannot be built:(.|\n)*3\.6"):
        build_layer("core", tmp_path, Target("3.6", "x86_64-manylinux_2_34"))
