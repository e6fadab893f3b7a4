"""Files of a user load as modules: with what stands beside them, and as they are now."""

import sys
import typing

import jax.numpy as jnp
import pytest

from paramjax.bench.entries import LoadError, load_module


@pytest.fixture
def write(tmp_path):
    """Write files into folders below a temporary one: `write("a/mine.py", text)`."""

    def go(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return go


DATACLASSES = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
import flax
import jax

@dataclass
class Settings:
    kind: ClassVar[int] = 3
    momentum: float = 0.9

@flax.struct.dataclass
class State:
    momentum: jax.Array
    name: str = flax.struct.field(pytree_node=False, default="heavy ball")
"""


def test_dataclasses_with_postponed_annotations(write):
    module = load_module(write("mine.py", DATACLASSES))
    assert module.Settings().momentum == 0.9
    assert typing.get_type_hints(module.Settings)["momentum"] is float
    state = module.State(jnp.ones(2)).replace(momentum=jnp.zeros(2))
    assert state.momentum.tolist() == [0.0, 0.0]
    assert sys.modules[module.State.__module__] is module


@pytest.mark.parametrize(
    "text",
    [
        "from rule import rate",
        "import rule; rate = rule.rate",
        "from .rule import rate",
        "from . import rule; rate = rule.rate",
        "import rules.inner; rate = rules.inner.rate",
        "from rules import inner; rate = inner.rate",
        "from rules.inner import *",
        "from parts.plain import rate",
        "import chain; rate = chain.rate",
    ],
)
def test_files_beside_it_are_imported(write, text):
    write("rule.py", "rate = 0.1")
    write("chain.py", "from rule import rate")
    write("rules/__init__.py", "")
    write("rules/inner.py", "import rule; rate = rule.rate")
    write("parts/plain.py", "from rule import rate")
    assert load_module(write("mine.py", text)).rate == 0.1
    assert not {"rule", "rules", "parts", "chain", "mine"} & set(sys.modules)


def test_late_imports_see_the_files_of_their_own_folder(write):
    late = "def rate():\n    from rule import rate\n    return rate"
    for folder, rate in (("a", 0.1), ("b", 0.2)):
        write(f"{folder}/rule.py", f"rate = {rate}")
        write(f"{folder}/mine.py", late)
    first, second = (load_module(write(f"{folder}/mine.py", late)) for folder in "ab")
    assert [first.rate(), second.rate(), first.rate()] == [0.1, 0.2, 0.1]
    assert first.__name__ != second.__name__


def test_loaded_once_until_it_or_what_it_imports_changes(write):
    file = write("mine.py", "from rule import rate")
    write("rule.py", "rate = 0.1")
    first = load_module(file)
    assert load_module(file) is first
    write("rule.py", "rate = 0.2")  # as long as before, and within the same second
    assert load_module(file).rate == 0.2
    assert first.rate == 0.1
    write("mine.py", "from rule import rate as rote; rate = 3")
    assert load_module(file).rate == 3
    assert not list(file.parent.rglob("*.pyc"))


def test_the_standard_library_and_installed_packages_come_as_they_are(write):
    write("random.py", "raise RuntimeError('not this one')")
    write("optax.py", "import optax; sgd = optax.sgd")
    module = load_module(write("mine.py", "import random, jax.numpy as jnp, optax"))
    assert module.random is sys.modules["random"]
    assert module.jnp is jnp
    assert module.optax.sgd is sys.modules["optax"].sgd


def test_what_is_imported_already_is_not_loaded_twice(write, monkeypatch):
    write("rule.py", "class Rule: pass")
    file = write("mine.py", "from rule import Rule")
    monkeypatch.syspath_prepend(str(file.parent))
    try:
        from rule import Rule

        assert load_module(file).Rule is Rule
    finally:
        sys.modules.pop("rule", None)


def test_a_file_may_import_itself_or_the_package_that_it_is_named_as(write):
    own = load_module(
        write(
            "a/mine.py", "import mine\nrate = 0.1\ndef late():\n    import mine as m; return m.rate"
        )
    )
    assert own.mine is own
    assert own.late() == 0.1
    optax = load_module(write("b/optax.py", "import optax\nsgd = optax.sgd"))
    assert optax.optax is sys.modules["optax"]


def test_data_beside_it_and_the_module_itself_are_found(write):
    write("rate.txt", "0.5")
    text = (
        "import inspect, pathlib, pickle, sys\n"
        "rate = float(pathlib.Path(__file__).with_name('rate.txt').read_text())\n"
        "class State:\n    pass\n"
        "assert sys.modules[__name__].State is State\n"
        "assert type(pickle.loads(pickle.dumps(State()))) is State\n"
        "assert 'pass' in inspect.getsource(State)\n"
        "if __name__ == '__main__':\n    raise SystemExit('ran as a program')\n"
    )
    assert load_module(write("my file (copy).py", text)).rate == 0.5


def test_names_that_no_import_statement_could_write(write):
    assert load_module(write("v1.2-new.py", "from rule import x") if write("rule.py", "x=1") else 0)
    names = {load_module(write(name, "x = 1")).__name__ for name in ("v1.2.py", "v1_2.py")}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", r"importing .*mine.py raised SyntaxError: invalid syntax \(mine.py, line 1\)"),
        ("import sys\nsys.exit('usage')", r"raised SystemExit: usage \(mine.py, line 2\)"),
        ("x = 1\nx / 0", r"raised ZeroDivisionError: division by zero \(mine.py, line 2\)"),
        ("import no_such_lib", "No module named 'no_such_lib'"),
        ("import broken", r"KeyError: 'gone' \(broken.py, line 1\)"),
        ("from .. import above", "ImportError"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why_in_one_line(write, text, message):
    write("broken.py", "{}['gone']")
    file = write("mine.py", text)
    with pytest.raises(LoadError, match=message) as caught:
        load_module(file)
    assert "\n" not in str(caught.value)
    write("mine.py", "fixed = True")
    assert load_module(file).fixed


@pytest.mark.parametrize(
    "text",
    [
        "from ..rule import rate",
        "from lab.rule import rate",
        "import lab.rule; rate = lab.rule.rate",
        "import beside; rate = beside.rate",
        "from lab.inner import beside; import beside as b; rate = b.rate / (b is beside)",
        "from lab import rate",
        "def late():\n    from lab.rule import rate; return rate\nrate = late()",
    ],
)
@pytest.mark.parametrize("name", ["mine", "my-file"])
def test_a_file_inside_packages_sees_them(write, text, name):
    write("lab/__init__.py", "from .rule import rate")
    write("lab/rule.py", "rate = 0.5")
    write("lab/inner/__init__.py", "")
    write("lab/inner/beside.py", "from ..rule import rate")
    assert load_module(write(f"lab/inner/{name}.py", text)).rate == 0.5


def test_a_package_itself_and_an_edit_far_from_the_file(write):
    package = write("lab/__init__.py", "from .inner.rule import rate")
    write("lab/inner/__init__.py", "")
    write("lab/inner/rule.py", "rate = 0.5")
    assert load_module(package).rate == 0.5
    write("lab/inner/rule.py", "rate = 0.25")
    assert load_module(package).rate == 0.25


@pytest.mark.parametrize(
    "text",
    [
        "import importlib; rate = importlib.import_module('rule').rate",
        "from importlib import import_module as im; rate = im('rule').rate",
        "import importlib.util; rate = importlib.import_module('.rule', __package__).rate",
        "rate = __import__('rule').rate",
        "def f():\n    import importlib as i; return i.import_module('rules.one')\nrate = f().rate",
        "import importlib, rule; rate = importlib.reload(rule).rate",
        "import importlib; rate = 0.5 * (importlib.import_module('json').loads('1'))",
    ],
)
def test_importlib_sees_the_files_beside(write, text):
    write("rule.py", "rate = 0.5")
    write("rules/one.py", "rate = 0.5")
    assert load_module(write("mine.py", text)).rate == 0.5
    assert "rule" not in sys.modules


@pytest.mark.parametrize(
    "content",
    [b"rate = 0.5\r\n", b"\xef\xbb\xbfrate = 0.5\n", b"rate = 0.5\r",
     b"# -*- coding: latin-1 -*-\nname = '\xe9'\nrate = 0.5 / (name == chr(233))\n"],
)  # fmt: skip
def test_line_ends_and_encodings(write, content):
    file = write("mine.py", "")
    file.write_bytes(content)
    assert load_module(file).rate == 0.5


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(LoadError, match="there is no file"):
        load_module(tmp_path / "mine.py")
