"""Every exported name is on a page."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "\n".join(
    f.read_text(encoding="utf-8") for f in DOCS.rglob("*.md") if "_build" not in f.parts
)
DESCRIBED = re.findall(r"^\.\. automodule:: (\S+)\n   :members:", TEXT, re.M)
PACKAGES = ["losses", "data", "models", "optim", "train", "sweep", "bench", "verify"]


def test_every_name_of_the_top_is_on_a_page():
    exported = importlib.import_module("paramjax").__all__
    missing = [name for name in exported if not re.search(rf"\bpj\.{name}\b", TEXT)]
    assert missing == [], "name them in docs/api.md"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_package_is_described(package):
    assert f"paramjax.{package}" in DESCRIBED, "add its automodule to docs/api.md"
    module = importlib.import_module(f"paramjax.{package}")
    # constants have no docstring of their own; a page must name them
    bare = [n for n in module.__all__ if not inspect.getdoc(getattr(module, n))]
    values = [n for n in module.__all__ if not callable(getattr(module, n))]
    missing = [name for name in {*bare, *values} if not re.search(rf"\b{name}\b", TEXT)]
    assert missing == [], "autodoc leaves out what has no docstring; name it in docs/api.md"


def test_every_name_of_the_top_that_is_no_folder_is_described():
    package = importlib.import_module("paramjax")
    objects = {
        n: getattr(package, n) for n in package.__all__ if not inspect.ismodule(getattr(package, n))
    }
    homes = [importlib.import_module(name) for name in DESCRIBED]
    described = [value for home in homes for value in vars(home).values() if callable(value)]
    assert [n for n, value in objects.items() if not any(value is d for d in described)] == []
