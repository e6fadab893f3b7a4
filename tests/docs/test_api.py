"""Every exported name is on a page; every exported function is in a runnable example."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import paramjax as pj

ROOT = Path(__file__).parents[2]
PAGES = {
    file: file.read_text(encoding="utf-8")
    for file in (ROOT / "docs").rglob("*.md")
    if "_build" not in file.parts
}
TEXT = "\n".join(PAGES.values())
DESCRIBED = re.findall(r"^\.\. automodule:: (\S+)\n   :members:", TEXT, re.M)
# the command line is documented by its own --help
FOLDERS = [
    name
    for init in sorted((ROOT / "paramjax").rglob("__init__.py"))
    if (name := ".".join(init.relative_to(ROOT).parent.parts)) not in ("paramjax", "paramjax.cli")
    and "__all__" in init.read_text(encoding="utf-8")
]


def runnable():
    """The code of all doctests, documentation cells and README examples."""
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "paramjax").rglob("*.py")]
    found = [
        line for text in sources for line in re.findall(r"^ *(?:>>>|\.\.\.) (.*)$", text, re.M)
    ]
    for text in PAGES.values():
        found += re.findall(r"^```\{code-cell\}.*?\n(.*?)^```", text, re.M | re.S)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return "\n".join([*found, *re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)])


EXAMPLES = runnable()


def lacking(names, text):
    return [name for name in names if not re.search(rf"\b{name}\b", text)]


def test_every_name_of_the_top_is_on_the_reference_page():
    reference = PAGES[ROOT / "docs" / "api.md"]
    assert lacking([f"pj.{name}" for name in pj.__all__], reference) == []


def test_every_object_of_the_top_is_described_where_it_lives():
    homes = [vars(importlib.import_module(name)).values() for name in DESCRIBED]
    described = {id(value) for home in homes for value in home}
    objects = {n: getattr(pj, n) for n in pj.__all__ if not inspect.ismodule(getattr(pj, n))}
    assert [name for name, value in objects.items() if id(value) not in described] == []


def test_every_folder_is_described_once():
    assert sorted(DESCRIBED) == sorted(FOLDERS), "one automodule each in docs/api.md"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_name_of_a_folder_is_described_and_every_function_shown(folder):
    module = importlib.import_module(folder)
    exported = {name: getattr(module, name) for name in module.__all__}
    # autodoc leaves out what has no docstring of its own, such as a constant
    silent = [n for n, v in exported.items() if not callable(v) or not inspect.getdoc(v)]
    assert lacking(silent, TEXT) == [], "name them in docs/api.md"
    functions = [name for name, value in exported.items() if inspect.isfunction(value)]
    assert lacking(functions, EXAMPLES) == [], "give each a docstring example"
