"""Imports go one way, down the list of the design; folders list names; nothing heavy is loaded."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "paramjax"
ABOVE = {"__init__", "__main__", "_namespaces"}
VOCABULARY = {path.stem for path in PACKAGE.glob("_*.py")} - ABOVE
LAYERS = [
    VOCABULARY,
    {"space", "data", "metrics", "models", "checkpoints", "logs", "plots"},
    {"losses", "optim", "explain"},  # they name accuracy and search spaces
    {"step"},
    {"runs"},
    {"populations"},
    {"tuning"},
    {"estimate"},
    {"bench", "verify"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))
ESTIMATE = [
    {"_constraints", "_estimate", "_linear_algebra", "_objective", "_outcome", "_parameters"}
    | {"_transforms", "inputs", "solvers", "summaries", "formulas"},
    {"uncertainty", "networks"},
    {"curves", "batches"},
    {"likelihoods"},
    {"regression"},
]
"""The rooms of `estimate`, which import downwards, too."""


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path):
    """Every paramjax module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (n.split(".")[1] for n in names if n.startswith("paramjax.") and n.count("."))


def test_imports_go_down():
    """Only `__init__` and `__main__` stand above all; the vocabulary may import itself."""
    wrong = [
        f"{path.relative_to(PACKAGE)} imports paramjax.{other}"
        for path in MODULES
        if (mine := room(path)) not in ABOVE
        for other in imports(path)
        if other != mine and not (LEVEL[other] < LEVEL[mine] or {mine, other} <= VOCABULARY)
    ]
    assert wrong == []


def test_the_rooms_of_estimates_import_downwards():
    level = {name: at for at, names in enumerate(ESTIMATE) for name in names}
    for path in (PACKAGE / "estimate").rglob("*.py"):
        mine = path.relative_to(PACKAGE / "estimate").parts[0].removesuffix(".py")
        for node in ast.parse(path.read_text()).body if mine != "__init__" else ():
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(
                "paramjax.estimate."
            ):
                other = str(node.module).split(".")[2]
                assert other == mine or level[other] < level[mine] or level[mine] == 0, path


def test_only_models_imports_flax():
    for path in MODULES:
        if room(path) != "models":
            assert "import flax" not in path.read_text(), path
            assert "from flax" not in path.read_text(), path


def test_folders_are_public_and_files_are_not():
    for path in MODULES:
        *folders, file = path.relative_to(PACKAGE).parts
        assert not any(folder.startswith("_") for folder in folders if folder != "_experiments")
        assert file.startswith("_"), path


def test_init_files_hold_names_only():
    for path in MODULES:
        if path.name != "__init__.py":
            continue
        for node in ast.parse(path.read_text()).body:
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            names = ast.Import | ast.ImportFrom | ast.Assign
            assert is_docstring or is_for_types or isinstance(node, names), path


HEAVY = [
    "scipy.stats", "flax.nnx", "sklearn", "matplotlib", "sqlite3", "orbax", "pandas",
    "tensorboardX", "rich.live", "grain", "flax", "jax.extend", "jax._src.pallas", "safetensors",
    "urllib.request", "platformdirs", "tarfile", "statistics", "asyncio", "multiprocessing",
    "paramjax.populations", "paramjax.tuning", "paramjax.explain",
]  # fmt: skip


@pytest.fixture(scope="module")
def loaded():
    """Names of the modules that importing the package loads beyond those of JAX."""
    code = (
        "import sys, jax; before = set(sys.modules); import paramjax; "
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "paramjax" in done.stdout.split()
    return done.stdout.split()


@pytest.mark.parametrize("heavy", HEAVY)
def test_importing_the_package_loads_no_heavy_part(loaded, heavy):
    """Each costs milliseconds to seconds, and only those who use it should pay."""
    assert [name for name in loaded if name.startswith(heavy)] == []
