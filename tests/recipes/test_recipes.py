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
    """The module in a file, loaded once, so that its pages run only once."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


record = load("record", DOCS / "record.py")
PAGES = {name: file for name, file in record.pages().items() if name.startswith("recipes/")}
RECIPES = [name.removeprefix("recipes/") for name in PAGES]
QUICK = {"optimistic_gradient"}
"""Recipes that `make test` runs; `make test-all` runs all."""


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in RECIPES],
)
def test_prints_what_is_recorded_with_the_losses_written_by_hand(recipe):
    name = f"recipes/{recipe}"
    text = PAGES[name].read_text(encoding="utf-8")
    assert record.check(name, PAGES[name]) == []
    _, page = record.execute(text, name)
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


def test_every_page_is_short_in_the_overview_and_written_by_hand():
    overview = (DOCS / "recipes" / "index.md").read_text(encoding="utf-8")
    for recipe in RECIPES:
        code = "\n".join(record.cells(PAGES[f"recipes/{recipe}"].read_text(encoding="utf-8")))
        assert len([line for line in code.splitlines() if line.strip()]) <= MOST_LINES, recipe
        assert f"]({recipe}.md)" in overview
    assert sorted(RECIPES) == sorted(file.stem for file in BY_HAND.glob("*.py"))


def test_by_hand_takes_nothing_of_paramjax_but_the_order_of_the_data():
    for file in BY_HAND.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("paramjax") for alias in node.names), file
            if isinstance(node, ast.ImportFrom) and node.module.startswith("paramjax"):
                names = [alias.name for alias in node.names]
                assert (node.module, names) == ("paramjax.data", ["batch_order"]), file
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "page":
                assert ast.unparse(node.slice) not in ("'pj'", "'losses'"), file
