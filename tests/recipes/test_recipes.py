"""Every recipe page is short, and its losses are those of the same training written by hand.

To add one: write `docs/recipes/NAME.md`, whose cells leave the losses of each step in `losses`;
write `by_hand/NAME.py` with `losses(page)`, where `page` holds the names that the page leaves
behind; list the page in `docs/index.md` and `docs/recipes/index.md`; record what it prints with
`python docs/record.py recipes/NAME`.
"""

import ast
import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import paramjax as pj

BY_HAND = Path(__file__).parent / "by_hand"
DOCS = Path(__file__).parents[2] / "docs"
MOST_LINES = 40
MADE_HERE = (pj.Trainer, pj.GradFn, pj.Hook, pj.Fit, pj.TrainState, optax.GradientTransformation)


def load(name, file):
    """A module by its file; one that is loaded already, so that its pages run only once."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


record = load("record", DOCS / "record.py")
PAGES = {name: file for name, file in record.pages().items() if name.startswith("recipes/")}
RECIPES = [name.removeprefix("recipes/") for name in PAGES]


def text(recipe):
    return PAGES[f"recipes/{recipe}"].read_text(encoding="utf-8")


@pytest.mark.parametrize("recipe", RECIPES)
def test_losses_equal_those_written_by_hand(recipe):
    _, page = record.execute(text(recipe), f"recipes/{recipe}")
    written = load(f"by_hand_{recipe}", BY_HAND / f"{recipe}.py")
    # no trainer, no optimizer, no result: the hand-written loop makes its own
    given = {name: value for name, value in page.items() if not isinstance(value, MADE_HERE)}
    del given["losses"]
    with jax.numpy_rank_promotion("allow"):  # as the page itself runs
        expected = np.asarray(written.losses(given))
    assert expected.ndim == 1
    assert expected.size > 1
    # a file whose arithmetic must differ from the page's sets RTOL, and says why
    rtol = getattr(written, "RTOL", 1e-5)
    np.testing.assert_allclose(np.asarray(page["losses"]), expected, rtol=rtol)


@pytest.mark.parametrize("recipe", RECIPES)
def test_prints_what_is_recorded(recipe):
    assert record.check(f"recipes/{recipe}", PAGES[f"recipes/{recipe}"]) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_is_short(recipe):
    lines = [line for cell in record.cells(text(recipe)) for line in cell.splitlines()]
    assert len([line for line in lines if line.strip()]) <= MOST_LINES


def test_every_page_has_its_file_by_hand_and_every_file_its_page():
    assert sorted(RECIPES) == sorted(file.stem for file in BY_HAND.glob("*.py"))


@pytest.mark.parametrize("file", sorted(BY_HAND.glob("*.py")), ids=lambda file: file.stem)
def test_by_hand_takes_nothing_of_paramjax_but_the_order_of_the_data(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name for name in imported if name.split(".")[0] == "paramjax"}
    assert ours <= {"paramjax.data.batch_order", "paramjax.data._sampler.batch_order"}
    reached = {node.slice.value for node in ast.walk(tree) if _is_page_item(node)}
    assert reached.isdisjoint({"pj", "losses"})


def test_every_page_is_in_the_overview():
    overview = (DOCS / "recipes" / "index.md").read_text(encoding="utf-8")
    assert [recipe for recipe in RECIPES if f"]({recipe}.md)" not in overview] == []


def _is_page_item(node):
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "page"
        and isinstance(node.slice, ast.Constant)
    )
