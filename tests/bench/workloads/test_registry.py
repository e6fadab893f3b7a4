import subprocess
import sys

import pytest

from paramjax.bench.workloads import WORKLOADS, find_workload, get

FILE = """
import jax.numpy as jnp
from paramjax.bench.workloads import Workload, get

mine = Workload(
    name="mine",
    init=lambda key: jnp.zeros(()),
    loss_fn=lambda params, batch, key: (jnp.mean((params - batch) ** 2), {}),
    data=lambda: jnp.arange(4.0),
)

def made():
    return mine

def raises():
    raise RuntimeError("no luck today")

def needs_something(rows):
    return mine

def another_thing():
    return 3

number = 3

class Group:
    inner = mine

    @staticmethod
    def built():
        return mine

def leaves():
    raise SystemExit("usage: no")

def __getattr__(name):
    if name == "asked":
        return mine
    raise AttributeError(name)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "problems.py"
    path.write_text(FILE)
    return path


def test_names_are_those_of_the_workloads():
    assert all(get(name).name == name for name in WORKLOADS)
    assert find_workload("digits_mlp") is get("digits_mlp")
    assert [name for name in WORKLOADS if not WORKLOADS[name].bears_verdicts] == [
        "breast_cancer_logistic"
    ]


@pytest.mark.parametrize("name", ["mine", "made", "Group.inner", "Group.built", "asked"])
def test_a_workload_of_a_file_is_found(file, name):
    found = find_workload(f"{file}:{name}")
    assert found.name == "mine"
    assert found.loaded().check() == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mien", "problems.py: unknown workload 'mien'; nearest: mine "),
        ("Group.outer", "problems.py: unknown workload 'Group.outer'"),
        ("leaves", "leaves raised SystemExit: usage: no"),
        ("number", "problems.py:number: expected a .*Workload or a function .*, got int 3"),
        ("another_thing", "problems.py:another_thing: expected a .*Workload .*, got int 3"),
        ("raises", "problems.py:raises raised RuntimeError: no luck today"),
        ("needs_something", "problems.py:needs_something raised TypeError: .*'rows'"),
    ],
)
def test_what_is_no_workload_is_refused(file, name, message):
    with pytest.raises(ValueError, match=message):
        find_workload(f"{file}:{name}")


def test_without_a_workload_the_functions_of_a_file_are_named(tmp_path):
    path = tmp_path / "other.py"
    path.write_text("def make():\n    return 3\n")
    with pytest.raises(ValueError, match=r"unknown workload 'table' \(known: make\)"):
        find_workload(f"{path}:table")


def test_a_file_that_cannot_be_loaded_says_why(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_module\n")
    with pytest.raises(ValueError, match=r"broken.py raised ModuleNotFoundError: .*line 1"):
        find_workload(f"{broken}:mine")
    with pytest.raises(ValueError, match=r"there is no file .*missing.py"):
        find_workload(f"{tmp_path / 'missing.py'}:mine")


def test_an_unknown_name_names_the_nearest():
    message = "unknown workload 'digit_mlp'; nearest: digits_mlp"
    with pytest.raises(ValueError, match=message):
        get("digit_mlp")
    with pytest.raises(ValueError, match=f"{message}.*; a workload of your own is FILE.py:NAME"):
        find_workload("digit_mlp")


@pytest.mark.slow
def test_listing_workloads_loads_no_data():
    code = "import sys; import paramjax.bench.workloads; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
