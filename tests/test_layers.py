"""Imports go one way: types, checks <- {models, losses, data, optim} <- train <- sweep <- ..."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "paramjax"
BASE = 0
LAYERS = {
    "types": BASE, "checks": BASE, "space": BASE, "cache": BASE, "paths": BASE,
    "models": 1, "losses": 1, "data": 1, "optim": 1, "estimate": 1,
    "train": 2, "sweep": 3, "bench": 4, "verify": 4, "cli": 5,
}  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path):
    """Every paramjax module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [module] if module != "paramjax" else [f"paramjax.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (n.split(".")[1] for n in names if n.startswith("paramjax.") and n.count("."))


def test_every_room_has_a_layer():
    rooms = {room(path) for path in MODULES} - {"__init__", "__main__", "_experiments"}
    assert rooms <= set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    mine = room(path)
    if mine in ("__init__", "__main__"):
        return
    for other in imports(path):
        if other == mine or other.startswith("__"):
            continue
        assert LAYERS[other] < LAYERS[mine] or LAYERS[mine] == LAYERS[other] == BASE, (
            f"{path.relative_to(PACKAGE)} imports paramjax.{other}"
        )


def test_only_models_imports_flax():
    for path in MODULES:
        if room(path) != "models":
            assert "import flax" not in path.read_text(), path
            assert "from flax" not in path.read_text(), path


def test_init_files_hold_names_only():
    for path in MODULES:
        if path.name != "__init__.py":
            continue
        for node in ast.parse(path.read_text()).body:
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            assert is_docstring or isinstance(node, ast.Import | ast.ImportFrom | ast.Assign), path


HEAVY = [
    "scipy.stats", "flax.nnx", "sklearn", "matplotlib", "sqlite3", "orbax", "pandas",
    "tensorboardX", "rich.live", "safetensors", "grain",
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
    """Each costs a tenth of a second or more, and only those who use it should pay."""
    assert [name for name in loaded if name.startswith(heavy)] == []
